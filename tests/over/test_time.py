"""`RNN`, `Stack`, `Bidirectional`: forms of input, states, streaming, noise."""

from __future__ import annotations

import pytest
import torch
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

import ostinato as ost
from ostinato.cells import make_cell
from ostinato.core.errors import ArgumentError, CellError, EngineError, ShapeError
from ostinato.core.state import leaves
from ostinato.wrap.zoneout import Zoneout

LENGTHS = torch.tensor([6, 1, 4])


def lstm(size=3):
    return make_cell("LSTM", size, 5)


LAYERS = {
    "rnn": lambda: ost.RNN(lstm()),
    "reverse": lambda: ost.RNN(lstm(), reverse=True),
    "learned": lambda: ost.RNN(lstm(), learn_initial_state=True),
    "bidirectional": lambda: ost.Bidirectional(lstm(), make_cell("GRU", 3, 4)),
    "stack": lambda: ost.Stack(
        [ost.Bidirectional(lstm(), lstm()), ost.RNN(make_cell("MinimalGated", 10, 4))]
    ),
}


@pytest.fixture(params=LAYERS)
def layer(request):
    return LAYERS[request.param]()


def test_packed_and_joined_sequences_equal_padded_ones(layer):
    x = torch.randn(3, 6, 3)
    y, state = layer(x, lengths=LENGTHS)
    packed = pack_padded_sequence(x, LENGTHS, batch_first=True, enforce_sorted=False)
    y_packed, state_packed = layer(packed)
    assert isinstance(y_packed, PackedSequence)
    assert torch.allclose(pad_packed_sequence(y_packed, batch_first=True)[0], y, atol=1e-6)
    joined = torch.cat([row[:n] for row, n in zip(x, LENGTHS, strict=True)])[None]
    y_joined, state_joined = layer(joined, cu_seqlens=torch.tensor([0, 6, 7, 11]))
    rows = torch.cat([row[:n] for row, n in zip(y, LENGTHS, strict=True)])[None]
    assert torch.allclose(y_joined, rows, atol=1e-6)
    for a, b, c in zip(*map(leaves, (state, state_packed, state_joined)), strict=True):
        assert torch.allclose(a, b, atol=1e-6)
        assert torch.allclose(a, c, atol=1e-6)


def test_return_states_gives_the_state_after_every_step(layer):
    x = torch.randn(3, 6, 3)
    y, state = layer(x, lengths=LENGTHS)
    y_again, last, states = layer(x, lengths=LENGTHS, return_states=True)
    assert torch.allclose(y, y_again, atol=1e-6)
    for after, every, end in zip(*map(leaves, (state, states, last)), strict=True):
        assert every.shape == (3, 6, *after.shape[1:])
        assert torch.allclose(after, end, atol=1e-6)


def test_the_state_continues_a_sequence():
    layer = ost.Stack([ost.RNN(lstm()), ost.RNN(make_cell("GRU", 5, 4))])
    x = torch.randn(3, 6, 3)
    y, state = layer(x)
    first, between = layer(x[:, :2])
    second, end = layer(x[:, 2:], between)
    assert torch.allclose(torch.cat([first, second], 1), y, atol=1e-6)
    streamed = None
    for t in range(6):
        y_t, streamed = layer.step(x[:, t], streamed)
        assert torch.allclose(y_t, y[:, t], atol=1e-6)
    for a, b, c in zip(*map(leaves, (state, end, streamed)), strict=True):
        assert torch.allclose(a, b, atol=1e-6)
        assert torch.allclose(a, c, atol=1e-6)


def test_bidirectional_is_two_runs_and_turns_with_its_input():
    x = torch.randn(2, 5, 3)
    both = ost.Bidirectional(lstm(), lstm())
    y, _ = both(x)
    along, _ = ost.RNN(both.along.cell)(x)
    against, _ = ost.RNN(both.against.cell)(x.flip(1))
    assert torch.allclose(y, torch.cat([along, against.flip(1)], -1), atol=1e-6)
    turned, _ = ost.Bidirectional(both.against.cell, both.along.cell)(x.flip(1))
    assert torch.allclose(turned.flip(1), torch.cat([against.flip(1), along], -1), atol=1e-6)


@pytest.mark.parametrize("merge", ["sum", "mean", "pair"])
def test_merges(merge):
    both = ost.Bidirectional(lstm(), lstm(), merge)
    concatenated = ost.Bidirectional(both.along.cell, both.against.cell)
    x = torch.randn(2, 5, 3)
    a, b = concatenated(x)[0].chunk(2, -1)
    expected = {"sum": a + b, "mean": (a + b) / 2, "pair": (a, b)}[merge]
    for found, wanted in zip(leaves(both(x)[0]), leaves(expected), strict=True):
        assert torch.allclose(found, wanted)


def test_a_learned_state_is_trained_and_is_what_a_reset_restores():
    layer = ost.RNN(lstm(), learn_initial_state=True)
    with torch.no_grad():
        for parameter in layer.cell.start:
            parameter.normal_()
    x = torch.randn(2, 4, 3)
    resets = torch.zeros(2, 4, dtype=torch.bool)
    resets[:, 2] = True
    y, _ = layer(x, resets=resets)
    assert torch.allclose(y[:, 2:], layer(x[:, 2:])[0], atol=1e-6)
    y.sum().backward()
    assert all(parameter.grad.abs().sum() > 0 for parameter in layer.cell.start)


def test_noise_is_drawn_in_training_only_and_from_the_generator():
    layer = ost.RNN(Zoneout(lstm(), 0.5))
    x = torch.randn(2, 5, 3)

    def drawn(seed):
        return layer(x, generator=torch.Generator().manual_seed(seed))[0]

    assert torch.equal(drawn(1), drawn(1))
    assert not torch.equal(drawn(1), drawn(2))
    noise = layer.sample_noise(2, 5, torch.Generator().manual_seed(1))
    assert torch.equal(layer(x, noise=noise)[0], drawn(1))
    assert torch.equal(layer.eval()(x, noise=noise)[0], layer.train()(x, noise=noise)[0])
    layer.eval()
    assert torch.equal(drawn(1), drawn(2))


def test_noise_passes_through_stacks_and_both_directions():
    layer = ost.Stack(
        [
            ost.Bidirectional(Zoneout(lstm(), 0.5), lstm()),
            ost.RNN(Zoneout(make_cell("GRU", 10, 4), 0.5)),
        ],
        dropout=0.3,
    )
    x = torch.randn(2, 5, 3)
    y = [layer(x, generator=torch.Generator().manual_seed(7))[0] for _ in range(2)]
    assert torch.equal(*y)
    layer.dropout = 0.0
    noise = layer.sample_noise(2, 5, torch.Generator().manual_seed(7))
    assert torch.equal(layer(x, noise=noise)[0], layer(x, noise=noise)[0])


def test_stack_dropout():
    layer = ost.Stack([ost.RNN(lstm()), ost.RNN(lstm(5))], dropout=1.0)
    zeros, _ = ost.RNN(layer.layers[1].cell)(torch.zeros(2, 4, 5))
    assert torch.equal(layer(torch.randn(2, 4, 3))[0], zeros)


def test_inputs_may_be_trees():
    class Sum(ost.Cell):
        def initial_state(self, batch_size):
            return self.zeros(batch_size, 2)

        def forward(self, x, h):
            h = h + x["a"] * x["b"]
            return {"h": h}, h

    x = {"a": torch.randn(3, 4, 2), "b": torch.randn(3, 4, 2)}
    y, h = ost.RNN(Sum())(x)
    assert torch.allclose(h, (x["a"] * x["b"]).sum(1))
    assert y["h"].shape == (3, 4, 2)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: ost.RNN(torch.nn.Linear(1, 1)), CellError, "Derive the module"),
        (lambda: ost.RNN(lstm())(torch.zeros(2, 3, 3), torch.zeros(2, 5)), ShapeError, "given st"),
        (lambda: ost.Bidirectional(lstm(), lstm(), "max"), ArgumentError, "concat.*got 'max'"),
        (
            lambda: ost.Bidirectional(ost.RNN(lstm()), ost.RNN(lstm())),
            ArgumentError,
            "backward layer of a bidirectional one runs with reverse=True; got a RNN",
        ),
        (
            lambda: ost.Bidirectional(ost.RNN(lstm()), lstm(), engine="reference"),
            ArgumentError,
            "options of cells; RNN is a layer",
        ),
        (
            lambda: ost.Bidirectional(lstm(), lstm()).step(torch.zeros(2, 3)),
            EngineError,
            "cannot be streamed",
        ),
        (lambda: ost.Stack([]), ArgumentError, "at least one layer"),
        (lambda: ost.Stack([ost.RNN(lstm())], dropout=1.5), ArgumentError, "probability"),
        (
            lambda: ost.RNN(lstm(), engine="torch")(
                torch.zeros(2, 3, 3), resets=torch.zeros(2, 3, dtype=torch.bool)
            ),
            EngineError,
            "cannot reset a state inside a sequence. Engines that can: .*reference",
        ),
        (
            lambda: ost.RNN(lstm())(
                pack_padded_sequence(torch.zeros(2, 3, 3), torch.tensor([3, 3]), True),
                lengths=[3, 3],
            ),
            ArgumentError,
            "pad it first",
        ),
        (
            lambda: ost.RNN(ost.Cell())(torch.zeros(2, 3, 3)),
            NotImplementedError,
            "defines no initial_state",
        ),
    ],
)
def test_errors(call, error, message):
    with pytest.raises(error, match=message):
        call()
