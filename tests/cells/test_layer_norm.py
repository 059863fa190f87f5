"""The invariants of layer normalisation, and what its cells are when it is taken out."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import ostinato as ost
from ostinato.cells.layer_norm_elman import LayerNormElmanCell
from ostinato.cells.layer_norm_gru import LayerNormGRUCell
from ostinato.cells.layer_norm_lstm import GateNorm, LayerNormLSTMCell
from ostinato.core.errors import ArgumentError
from ostinato.core.state import leaves

X = torch.randn(3, 6, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(5))


def shaken(cell):
    """The cell in float64 with all parameters random, so that no gain is one by chance."""
    cell = cell.double()
    for parameter in cell.parameters():
        nn.init.normal_(parameter, std=0.7)
    return cell


def last(cell, x=X):
    y, state = ost.RNN(cell)(x)
    return torch.cat([y[:, -1], *leaves(state)], -1)


@pytest.mark.parametrize("gates", [1, 3])
def test_statistics_and_backward_by_the_formula(gates):
    norm = GateNorm(12, gates, eps=1e-5).double()
    a = torch.randn(2, 12, dtype=torch.float64, requires_grad=True)
    out = norm(a)
    parts = out.view(2, gates, -1)
    torch.testing.assert_close(parts.mean(-1), torch.zeros(2, gates).double(), atol=1e-12, rtol=0)
    assert torch.allclose(parts.var(-1, unbiased=False), torch.ones(2, gates).double(), atol=1e-3)
    nn.init.normal_(norm.weight)
    bar = torch.randn_like(out)
    (found,) = torch.autograd.grad((norm(a) * bar).sum(), a)
    parts, g = a.detach().view(2, gates, -1), (bar * norm.weight.detach()).view(2, gates, -1)
    s = (parts.var(-1, unbiased=False, keepdim=True) + 1e-5).sqrt()
    hat = (parts - parts.mean(-1, keepdim=True)) / s
    expected = (g - g.mean(-1, keepdim=True) - hat * (hat * g).mean(-1, keepdim=True)) / s
    torch.testing.assert_close(found, expected.view(2, 12), atol=1e-12, rtol=1e-12)


def test_gate_norm_is_torchs_layer_norm():
    norm, theirs = GateNorm(8).double(), nn.LayerNorm(8).double()
    x = torch.randn(5, 8, dtype=torch.float64)
    torch.testing.assert_close(norm(x), theirs(x))


@torch.no_grad()
def test_rescaling_weights_or_data_changes_nothing_where_the_sum_is_normalised():
    cell = shaken(LayerNormElmanCell(4, 5, eps=1e-12))
    before = last(cell)
    cell.recur.weight.mul_(3)
    cell.input.weight.mul_(3)
    torch.testing.assert_close(last(cell), before, atol=1e-8, rtol=1e-8)

    cell = shaken(LayerNormLSTMCell(4, 5, eps=1e-12))
    before = last(cell)
    cell.recur.weight.mul_(7)
    torch.testing.assert_close(last(cell), before, atol=1e-8, rtol=1e-8)
    torch.testing.assert_close(last(cell, 2.5 * X), before, atol=1e-8, rtol=1e-8)

    cell = shaken(LayerNormLSTMCell(4, 5, form="cell", eps=1e-12))
    assert not torch.allclose(last(cell, 2.5 * X), last(cell), atol=1e-3)


@torch.no_grad()
def test_recentring_all_rows_changes_nothing():
    cell = shaken(LayerNormElmanCell(4, 5, eps=1e-12))
    before = last(cell)
    cell.recur.weight.add_(torch.randn(1, 5))
    cell.input.weight.add_(torch.randn(1, 4))
    torch.testing.assert_close(last(cell), before, atol=1e-8, rtol=1e-8)
    cell.recur.weight[0] *= 3
    assert not torch.allclose(last(cell), before, atol=1e-3)


def test_the_gradient_of_a_scale_invariant_matrix_is_orthogonal_to_it():
    cell = shaken(LayerNormLSTMCell(4, 5, eps=1e-12))
    last(cell).square().sum().backward()
    W = cell.recur.weight
    cosine = (W * W.grad).sum() / (W.norm() * W.grad.norm())
    assert abs(cosine) < 1e-8


def replaced(cell, biases):
    """The cell with every normalisation a shift only, and the plain gates it then has."""
    for name, bias in biases.items():
        shift = nn.Linear(len(bias), len(bias)).double()
        with torch.no_grad():
            shift.weight.copy_(torch.eye(len(bias)))
            shift.bias.copy_(bias)
        setattr(cell, name, shift)
    return cell


@torch.no_grad()
def test_without_normalisation_they_are_torchs_lstm_and_gru():
    cell = shaken(LayerNormLSTMCell(4, 5))
    cell.norm_input = cell.norm_state = cell.readout = nn.Identity()
    theirs = nn.LSTM(4, 5, batch_first=True).double()
    theirs.weight_ih_l0.copy_(cell.input.weight)
    theirs.weight_hh_l0.copy_(cell.recur.weight)
    theirs.bias_ih_l0.copy_(cell.bias)
    theirs.bias_hh_l0.zero_()
    torch.testing.assert_close(ost.RNN(cell)(X)[0], theirs(X)[0])

    theirs = nn.GRU(4, 5, batch_first=True).double()
    b, d = theirs.bias_ih_l0, theirs.bias_hh_l0
    cell = replaced(
        shaken(LayerNormGRUCell(4, 5)),
        {
            "norm_input": b[:10],
            "norm_state": d[:10],
            "norm_input_new": b[10:],
            "norm_state_new": d[10:],
        },
    )
    theirs.weight_ih_l0.copy_(cell.input.weight)
    theirs.weight_hh_l0.copy_(cell.recur.weight)
    torch.testing.assert_close(ost.RNN(cell)(X)[0], theirs(X)[0])


@torch.no_grad()
def test_the_stored_cell_is_not_normalised():
    cell = shaken(LayerNormLSTMCell(4, 5))
    _, (_, c) = ost.RNN(cell)(X)
    cell.readout.weight.mul_(2)
    h, (_, c_one) = cell(X[:, 0], cell.initial_state(3))
    cell.readout.weight.div_(2)
    h_half, (_, c_same) = cell(X[:, 0], cell.initial_state(3))
    assert torch.equal(c_one, c_same)
    assert not torch.allclose(h, h_half)
    assert c.mean(-1).abs().max() > 1e-3


@torch.no_grad()
def test_forms_are_different_models():
    results = []
    for options in ({}, {"per_gate": True}, {"form": "cell"}, {"cell_norm": False}):
        torch.manual_seed(0)
        results.append(last(LayerNormLSTMCell(4, 5, **options).double()))
    for i, a in enumerate(results):
        assert all(not torch.allclose(a, b, atol=1e-3) for b in results[:i])
    haste = LayerNormLSTMCell(4, 5, form="haste")
    assert haste.norm_input.bias is None
    assert haste.readout.bias is not None


@torch.no_grad()
def test_one_value_alone_is_normalised_to_the_bias():
    elman = LayerNormElmanCell(4, 1)
    assert torch.equal(ost.RNN(elman)(torch.randn(2, 3, 4))[0], torch.zeros(2, 3, 1))
    lstm = LayerNormLSTMCell(4, 1)
    assert ost.RNN(lstm)(torch.randn(2, 3, 4))[0].abs().max() == 0
    nn.init.ones_(lstm.readout.bias)
    assert ost.RNN(lstm)(torch.randn(2, 3, 4))[0].abs().min() > 0


@pytest.mark.parametrize("cell", [LayerNormElmanCell, LayerNormLSTMCell, LayerNormGRUCell])
def test_statistics_do_not_mix_rows_and_a_constant_state_is_finite(cell):
    cell = cell(4, 5).double()
    with torch.no_grad():
        other = X.clone()
        other[1] = torch.randn(6, 4)
        assert torch.equal(ost.RNN(cell)(X)[0][0], ost.RNN(cell)(other)[0][0])
    ost.RNN(cell)(torch.zeros(1, 3, 4, dtype=torch.float64))[0].sum().backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in cell.parameters())


def test_mixed_precision_computes_statistics_in_float32():
    cell = LayerNormLSTMCell(4, 5)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        y, (_, c) = ost.RNN(cell)(X.float())
    assert c.dtype == torch.float32
    assert torch.allclose(y.float(), ost.RNN(cell)(X.float())[0], atol=0.05)


def test_unknown_forms_are_told():
    with pytest.raises(ArgumentError, match="Did you mean 'full'"):
        LayerNormLSTMCell(4, 5, form="ful")
    with pytest.raises(ArgumentError, match="cell_norm must be True"):
        LayerNormLSTMCell(4, 5, form="cell", cell_norm=False)
    with pytest.raises(ArgumentError, match="'tanh' or 'relu'"):
        LayerNormElmanCell(4, 5, activation="sin")
