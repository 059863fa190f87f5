"""`ost.LSTM`, `ost.GRU`, `ost.Elman` against torch.nn's, in every mode."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

import ostinato as ost
from ostinato.core.errors import ArgumentError, ShapeError
from ostinato.core.state import leaves, map_state

PAIRS = {
    "lstm": (ost.LSTM, nn.LSTM, {}),
    "lstm-projected": (ost.LSTM, nn.LSTM, {"proj_size": 3}),
    "gru": (ost.GRU, nn.GRU, {}),
    "elman-tanh": (ost.Elman, nn.RNN, {}),
    "elman-relu": (ost.Elman, nn.RNN, {"nonlinearity": "relu"}),
}
TOLERANCE = {torch.float32: 1e-6, torch.float64: 1e-12}


def twins(kind, dtype=torch.float64, engine="auto", **options):
    """Our layer and torch's with the same weights."""
    ours, theirs, extra = PAIRS[kind]
    theirs = theirs(4, 5, **options, **extra, dtype=dtype)
    ours = ours(4, 5, **options, **extra, dtype=dtype, engine=engine)
    ours.load_state_dict(theirs.state_dict())
    return ours, theirs


def close(a, b, dtype):
    for x, y in zip(leaves(a), leaves(b), strict=True):
        torch.testing.assert_close(x, y, atol=TOLERANCE[dtype], rtol=TOLERANCE[dtype])


@pytest.mark.parametrize("engine", ["auto", "reference"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("kind", PAIRS)
def test_equals_torch_in_every_mode(kind, dtype, engine):
    """Outputs, states and all gradients; layers × bias × batch_first × bidirectional × state."""
    for layers, bias, batch_first, both, given in itertools.product(
        (1, 2), (True, False), (True, False), (True, False), (True, False)
    ):
        ours, theirs = twins(
            kind,
            dtype,
            engine,
            num_layers=layers,
            bias=bias,
            batch_first=batch_first,
            bidirectional=both,
        )
        x = torch.randn(3, 7, 4, dtype=dtype, requires_grad=True)
        hx = None
        if given:
            _, hx = theirs(x)
            hx = map_state(lambda leaf: torch.randn_like(leaf).requires_grad_(), hx)
        results = []
        for layer in (ours, theirs):
            y, state = layer(x, hx)
            loss = y.square().mean() + sum(leaf.sin().mean() for leaf in leaves(state))
            weights = [w for row in layer.all_weights for w in row]
            wanted = [x, *leaves(hx if given else ()), *weights]
            results.append((y, state, torch.autograd.grad(loss, wanted)))
        close(results[0], results[1], dtype)


@pytest.mark.parametrize("engine", ["auto", "reference"])
@pytest.mark.parametrize("kind", PAIRS)
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("enforce_sorted", [False, True])
def test_packed_sequences(kind, engine, bidirectional, enforce_sorted):
    ours, theirs = twins(kind, engine=engine, num_layers=2, bidirectional=bidirectional)
    lengths = torch.tensor([6, 4, 4, 1] if enforce_sorted else [4, 6, 1, 4])
    x = torch.randn(4, 6, 4, dtype=torch.float64)
    packed = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=enforce_sorted)
    (y, state), (y_theirs, state_theirs) = ours(packed), theirs(packed)
    close((y.data, state), (y_theirs.data, state_theirs), torch.float64)
    close(pad_packed_sequence(y)[0], pad_packed_sequence(y_theirs)[0], torch.float64)
    again, _ = ours(packed, state)
    close(again.data, theirs(packed, state)[0].data, torch.float64)


@pytest.mark.parametrize("kind", PAIRS)
@pytest.mark.parametrize("batch_first", [False, True])
def test_unbatched_input(kind, batch_first):
    ours, theirs = twins(kind, num_layers=2, bidirectional=True, batch_first=batch_first)
    x = torch.randn(7, 4, dtype=torch.float64)
    y, state = theirs(x)
    close(ours(x), (y, state), torch.float64)
    close(ours(x, state), theirs(x, state), torch.float64)


@pytest.mark.parametrize("kind", PAIRS)
def test_state_dict_in_both_directions(kind):
    ours, theirs = twins(kind, num_layers=2, bidirectional=True)
    assert set(ours.state_dict()) == set(theirs.state_dict())
    for key, value in theirs.state_dict().items():
        assert torch.equal(ours.state_dict()[key], value)
        assert torch.equal(getattr(ours, key), value)
    theirs.load_state_dict(ours.state_dict())
    holder = nn.ModuleDict({"inner": ours})
    assert set(holder.state_dict()) == {f"inner.{key}" for key in theirs.state_dict()}
    holder.load_state_dict(holder.state_dict())


def test_dropout_between_layers_draws_as_torch_does():
    ours, theirs = twins("lstm", num_layers=3, dropout=0.4)
    x = torch.randn(5, 3, 4, dtype=torch.float64)
    torch.manual_seed(3)
    y = ours(x)
    torch.manual_seed(3)
    close(y, theirs(x), torch.float64)
    close(ours.eval()(x), theirs.eval()(x), torch.float64)


def test_positional_arguments_stand_in_torchs_order():
    assert ost.LSTM(4, 5, 2, False, True, 0.1, True, 3).proj_size == 3
    assert ost.Elman(4, 5, 2, "relu", False).bias is False
    assert ost.GRU(4, 5, 2, True, True).batch_first


def test_errors_name_what_was_expected():
    lstm = ost.LSTM(4, 5)
    with pytest.raises(ShapeError, match=r"\(T, B, D\).*D = 4; got \[3, 7, 6\]"):
        lstm(torch.randn(3, 7, 6))
    with pytest.raises(ShapeError, match=r"leaves \(1, 7, ·\)"):
        lstm(torch.randn(3, 7, 4), (torch.zeros(2, 7, 5), torch.zeros(2, 7, 5)))
    with pytest.raises(ArgumentError, match="at least 1"):
        ost.LSTM(4, 0)
    with pytest.raises(AttributeError, match="weight_ih_l7"):
        _ = lstm.weight_ih_l7


def test_double_backward_equals_the_reference():
    x = torch.randn(4, 2, 4, dtype=torch.float64, requires_grad=True)
    for kind in PAIRS:
        ours, _ = twins(kind)
        seconds = []
        for engine in ("auto", "reference"):
            for layer in ours.stack.layers:
                layer.engine = engine
            (first,) = torch.autograd.grad(ours(x)[0].square().sum(), x, create_graph=True)
            second = torch.autograd.grad(first.square().sum(), [x, *ours.parameters()])
            seconds.append(second)
        close(seconds[0], seconds[1], torch.float64)
