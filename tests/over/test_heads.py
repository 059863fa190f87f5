"""Layers side by side."""

from __future__ import annotations

import pytest
import torch

import ostinato as ost
from ostinato.cells import make_cell
from ostinato.core.errors import ArgumentError
from ostinato.core.state import leaves, map_state
from ostinato.over.heads import Heads, strided_heads
from ostinato.wrap.zoneout import Zoneout


def test_strides_grow_exponentially():
    layer = strided_heads(lambda: make_cell("GRU", 3, 4), 4, base=3)
    assert [head.stride for head in layer.heads] == [1, 3, 9, 27]
    x = torch.randn(2, 40, 3)
    y = layer(x)[0]
    assert y.shape == (2, 40, 16)
    for k, head in enumerate(layer.heads):
        torch.testing.assert_close(y[..., 4 * k : 4 * k + 4], head(x)[0])


def test_a_stream_is_the_sequence():
    layer, x = strided_heads(lambda: make_cell("LSTM", 3, 4), 3), torch.randn(2, 9, 3)
    y, end, states = layer(x, lengths=[9, 9], return_states=True)
    state = None
    for t in range(9):
        found, state = layer.step(x[:, t], state)
        torch.testing.assert_close(found, y[:, t])
        for a, b in zip(leaves(states), leaves(state), strict=True):
            torch.testing.assert_close(a[:, t], b)
    torch.testing.assert_close(leaves(state), leaves(end))


def test_noise_travels_to_its_head():
    heads = (ost.RNN(make_cell("GRU", 3, 4)), ost.RNN(Zoneout(make_cell("GRU", 3, 2), 0.5)))
    layer, x = Heads(heads), torch.randn(2, 9, 3)
    noise = layer.sample_noise(2, 9)
    y, state = layer(x, noise=noise)[0], None
    for t in range(9):
        found, state = layer.step(x[:, t], state, map_state(lambda leaf, t=t: leaf[t], noise))
        torch.testing.assert_close(found, y[:, t])
    assert Heads(heads[:1]).sample_noise(2, 9) is None


def test_newton_solves_small_heads():
    layer = strided_heads(lambda: make_cell("GRU", 3, 4).double(), 3, engine="parallel")
    x = torch.randn(2, 100, 3, dtype=torch.float64)
    with ost.newton() as solves:
        y = layer(x)[0]
    assert [solve.engine for solve in solves] == [None] * 3
    for head in layer.heads:
        head.layer.engine = "reference"
    torch.testing.assert_close(y, layer(x)[0])


def test_there_must_be_a_head():
    with pytest.raises(ArgumentError, match="at least one layer"):
        Heads([])
