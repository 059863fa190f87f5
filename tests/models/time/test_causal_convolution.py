from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

import ostinato as ost
from ostinato.core.errors import ArgumentError, ShapeError
from ostinato.models.time.causal_convolution import CausalConvolution

F64 = torch.float64


@pytest.fixture(params=[1, 2, 4])
def layer(request):
    torch.manual_seed(0)
    return CausalConvolution(3, request.param, dtype=F64)


X = torch.randn(2, 7, 3, dtype=F64, generator=torch.Generator().manual_seed(1))


def test_it_is_torchs_depthwise_convolution(layer):
    padded = F.pad(X.transpose(1, 2), (layer.kernel - 1, 0))
    expected = F.conv1d(padded, layer.weight.T[:, None], layer.bias, groups=3).transpose(1, 2)
    torch.testing.assert_close(layer(X)[0], expected)


def test_steps_equal_the_whole_and_the_state_continues_it(layer):
    y, last, states = layer(X, return_states=True)
    state = layer.initial_state(2)
    for t in range(7):
        y_t, state = layer.step(X[:, t], state)
        torch.testing.assert_close(y_t, y[:, t])
        assert torch.equal(state, states[:, t])
    assert torch.equal(state, last)
    for cut in (0, 1, 3, 7):
        first, middle = layer(X[:, :cut])
        second, end = layer(X[:, cut:], middle)
        torch.testing.assert_close(torch.cat([first, second], 1), y)
        assert torch.equal(end, last)


def test_ragged_rows_equal_single_ones_and_nan_in_padding_reaches_nothing(layer):
    x = X.clone().requires_grad_()
    begin = torch.randn_like(layer.initial_state(2))
    for lengths in ((5, 0), (2, 7)):
        poisoned = torch.where(
            (torch.arange(7) < torch.tensor(lengths)[:, None])[..., None], x, torch.nan
        )
        y, last, states = layer(poisoned, begin, lengths=lengths, return_states=True)
        for row, length in enumerate(lengths):
            alone, end = layer(X[row : row + 1, :length], begin[row : row + 1])
            torch.testing.assert_close(y[row, :length], alone[0])
            assert not y[row, length:].any()
            torch.testing.assert_close(last[row], end[0])
            torch.testing.assert_close(states[row, -1], end[0])
        (gradient,) = torch.autograd.grad(y.sum() + last.sum(), x)
        assert gradient.isfinite().all()


def test_a_reset_begins_a_new_sequence(layer):
    resets = torch.zeros(2, 7, dtype=torch.bool)
    resets[0, [2, 3]] = resets[1, 6] = resets[1, 0] = True
    begin = torch.randn_like(layer.initial_state(2))
    y, last, states = layer(X, begin, resets=resets, return_states=True)
    parts = [
        (0, 0, 2, begin[:1]),
        (0, 2, 3, None),
        (0, 3, 7, None),
        (1, 0, 6, None),
        (1, 6, 7, None),
    ]
    for row, start, stop, state in parts:
        alone, end = layer(X[row : row + 1, start:stop], state)
        torch.testing.assert_close(y[row, start:stop], alone[0])
        torch.testing.assert_close(states[row, stop - 1], end[0])
        if stop == 7:
            torch.testing.assert_close(last[row], end[0])


def test_what_does_not_fit_is_refused():
    with pytest.raises(ArgumentError, match="kernel must be at least 1"):
        CausalConvolution(3, 0)
    with pytest.raises(ShapeError, match="lengths"):
        CausalConvolution(3)(torch.zeros(2, 4, 3), lengths=[5, 1])


def test_without_bias_zeros_stay_zero(layer):
    plain = CausalConvolution(3, layer.kernel, bias=False, dtype=F64)
    assert plain.bias is None
    with torch.no_grad():
        layer.bias.zero_()
    plain.load_state_dict({"weight": layer.weight})
    torch.testing.assert_close(plain(X), layer(X))
    torch.testing.assert_close(plain.step(X[:, 0]), layer.step(X[:, 0]))


def test_its_form_is_told(layer):
    (told,) = ost.explain(layer, X).decisions
    assert (told.layer, told.chosen) == ("CausalConvolution", "shifts")
