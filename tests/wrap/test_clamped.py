"""The clipped state."""

from __future__ import annotations

import math

import pytest
import torch

import ostinato as ost
from ostinato.cells import ElmanCell, LSTMCell
from ostinato.core.errors import ArgumentError
from ostinato.wrap import Clamped

from .toys import Tree


@pytest.mark.parametrize("engine", ["reference", "fused", "parallel"])
def test_every_state_is_clipped_and_read_so(engine):
    torch.manual_seed(0)
    cell = ElmanCell(3, 4, activation="relu").double()
    x = torch.randn(2, 6, 3, dtype=torch.float64)
    y, last = ost.RNN(Clamped(cell, 0.3), engine)(x)
    h, clipped = torch.zeros(2, 4, dtype=torch.float64), 0
    for t in range(6):
        free = torch.relu(cell.input(x[:, t]) + cell.recur(h))
        h, clipped = free.clamp(-0.3, 0.3), clipped + (free > 0.3).sum()
        torch.testing.assert_close(y[:, t], h, rtol=0, atol=1e-12)
    torch.testing.assert_close(last, h, rtol=0, atol=1e-12)
    assert 5 < clipped < 40


def test_a_limit_for_each_leaf():
    inner = LSTMCell(3, 4, forget_bias=5.0)
    x = 3 * torch.randn(2, 20, 3)
    free = ost.RNN(inner, "reference")(x)[1]
    _, (_, c) = ost.RNN(Clamped(inner, (math.inf, 0.7)), "reference")(x)
    assert c.abs().max() <= 0.7 < free[1].abs().max()
    with pytest.raises(ArgumentError, match="like the state"):
        Clamped(inner, (1.0,))


def test_a_counter_goes_on_counting():
    cell = Clamped(Tree(3, 4), 2)
    x = torch.randn(2, 5, 3, dtype=torch.float64)
    _, state = ost.RNN(cell, "reference")(x)
    assert state["steps"].tolist() == [5, 5]


@pytest.mark.parametrize("limit", [0, -1.0, (math.inf, -2.0)])
def test_limits_are_positive(limit):
    with pytest.raises(ArgumentError, match="must be a positive number"):
        Clamped(LSTMCell(3, 4), limit)
