"""Steps with heads: a program for each, with the numbers of the reference."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import ostinato as ost
from ostinato.bench.device_code import kernel_of
from ostinato.bench.steps import HeadsStep
from ostinato.cells.slstm import SLSTMCell

from .test_engine import compare


class HeadsLSTM(ost.Cell):
    """The LSTM with K heads, whose gates lie side by side in each."""

    def __init__(self, input_size, hidden_size, heads):
        super().__init__()
        self.hidden_size, self.heads, size = hidden_size, heads, hidden_size // heads
        self.input = nn.Linear(input_size, 4 * hidden_size)
        self.recur = nn.Parameter(torch.randn(heads, size, 4 * size) / size**0.5)

    def initial_state(self, batch_size):
        zeros = self.zeros(batch_size, self.hidden_size)
        return zeros, zeros

    def forward(self, x, state):
        h, c = (leaf.unflatten(1, (self.heads, -1)) for leaf in state)
        gates = self.input(x).unflatten(1, (self.heads, -1))
        i, f, g, o = (gates + torch.einsum("bki,kij->bkj", h, self.recur)).chunk(4, -1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        h = torch.sigmoid(o) * torch.tanh(c)
        return h.flatten(1), (h.flatten(1), c.flatten(1))


CELLS = {
    "one block": lambda: HeadsStep(3, 32, heads=2),
    "tails": lambda: HeadsStep(3, 40, heads=2),
    "smaller than a product": lambda: HeadsStep(3, 12, heads=4),
    "from the caches": lambda: HeadsStep(3, 128, heads=2),
    "gates side by side": lambda: HeadsLSTM(3, 24, heads=3),
    "gates from the caches": lambda: HeadsLSTM(3, 80, heads=2),
    "one head": lambda: SLSTMCell(3, 5),
    "stabilised": lambda: SLSTMCell(3, 34, heads=2),
}


@pytest.mark.parametrize("name", CELLS)
def test_numbers_of_the_reference(name):
    compare(CELLS[name]().double(), torch.randn(17, 3, 3, dtype=torch.float64))


@pytest.mark.parametrize("name", CELLS)
def test_every_function_runs_head_by_head(name):
    cell = CELLS[name]().double()
    size = cell.hidden_size // cell.heads
    for source in kernel_of(cell, 3).sources("ieee").values():
        assert source.head >= max(16, size)
        assert source.elements == cell.heads * source.head
        assert bool(source.width) == ("caches" in name)


def test_heads_that_mix_otherwise_share_a_program():
    class Mixed(HeadsStep):
        def forward(self, x, h):
            return super().forward(x, h.roll(1, -1))

    cell = Mixed(3, 32, heads=2).double()
    assert {s.head for s in kernel_of(cell, 3).sources("ieee").values()} == {0}
    compare(cell, torch.randn(2, 3, 3, dtype=torch.float64))
