"""A learned initial state."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from ostinato.cells.lstm import LSTMCell
from ostinato.core.cell import Cell
from ostinato.core.errors import ArgumentError
from ostinato.over.time import RNN
from ostinato.wrap import LearnedState

from .toys import Plain, Tree


def test_it_begins_at_the_cells_own_state_and_leaves_counters_alone() -> None:
    cell = Tree(3, 4)
    wrapped = LearnedState(cell)
    own, learned = cell.initial_state(2), wrapped.initial_state(2)
    assert torch.equal(learned["h"], own["h"])
    assert torch.equal(learned["kept"][0], own["kept"][0])
    assert learned["steps"].dtype == torch.int64
    assert len(wrapped.start) == 2


def test_it_may_begin_elsewhere() -> None:
    wrapped = LearnedState(Tree(3, 4), {"h": 0.5, "kept": (2,), "steps": 0})
    begun = wrapped.initial_state(2)
    assert (begun["h"] == 0.5).all()
    assert (begun["kept"][0] == 2).all()
    assert begun["steps"].tolist() == [0, 0]
    with pytest.raises(ArgumentError, match="one number, or a tree of numbers like the state"):
        LearnedState(Plain(3, 4), (0.5, 1.0))
    with pytest.raises(ArgumentError, match="a number for each leaf; got tensor"):
        LearnedState(Plain(3, 4), torch.ones(4))


def test_all_rows_share_the_parameter_and_sum_its_gradient() -> None:
    rnn = RNN(LearnedState(Plain(3, 4)), engine="reference")
    x = torch.randn(5, 2, 3, dtype=torch.float64)
    h = torch.zeros(5, 4, dtype=torch.float64, requires_grad=True)
    (per_row,) = torch.autograd.grad(rnn(x, h)[0].sum(), h)
    (start,) = rnn.cell.start
    (grad,) = torch.autograd.grad(rnn(x)[0].sum(), start)
    torch.testing.assert_close(grad, per_row.sum(0))


def test_it_keeps_the_fast_path() -> None:
    cell = LearnedState(LSTMCell(3, 4))
    with torch.no_grad():
        for leaf in cell.start:
            leaf.normal_()
    x = torch.randn(2, 5, 3)
    fast, reference = RNN(cell, engine="torch")(x)[0], RNN(cell, engine="reference")(x)[0]
    torch.testing.assert_close(fast, reference)


def test_a_state_without_anything_to_learn_is_rejected() -> None:
    class Counter(Cell):
        def initial_state(self, batch_size: int) -> Tensor:
            return torch.zeros(batch_size, dtype=torch.int64)

    with pytest.raises(ArgumentError, match=r"floating-point leaf; got int64\[1\]"):
        LearnedState(Counter())
    assert isinstance(LearnedState(Plain(1, 1)).start, nn.ParameterList)
