from __future__ import annotations

import logging

import torch
from torch import nn

import ostinato as ost
from ostinato.analysis.convergence import convergence
from ostinato.cells import make_cell

F64 = torch.float64


class Doubling(ost.Cell):
    """h = sin(4 h + x): an error grows at every step."""

    def __init__(self):
        super().__init__()
        self.input_size = 3
        self.gain = nn.Parameter(torch.tensor(4.0))

    def initial_state(self, batch_size):
        return self.gain.new_zeros(batch_size, 3)

    def forward(self, x, h):
        h = torch.sin(self.gain * h + x)
        return h, h


class Decay(Doubling):
    def forward(self, x, h):
        h = 0.1 * self.gain * h + x
        return h, h


def test_iterations_and_error_of_a_cell_that_forgets():
    torch.manual_seed(0)
    found = convergence(make_cell("ParaLSTM", 3, 4, dtype=F64), torch.randn(2, 50, 3, dtype=F64))
    (solve,) = found.solves
    assert found.solved
    assert found.iterations == solve.iterations == len(solve.residuals) - 1 > 1
    assert 0 < found.error < 1e-13


def test_the_error_is_that_of_the_states_that_were_found():
    torch.manual_seed(0)
    found = convergence(
        make_cell("ParaGRU", 3, 4, dtype=F64), torch.randn(1, 50, 3, dtype=F64), tolerance=1e-3
    )
    assert 1e-11 < found.error < 0.1


def test_the_window_that_took_most_counts():
    torch.manual_seed(0)
    x = torch.randn(1, 12, 3, dtype=F64)
    whole = convergence(Doubling().double(), x)
    parts = convergence(Doubling().double(), x, window=4)
    assert len(parts.solves) == 3
    assert parts.iterations == max(solve.iterations for solve in parts.solves) < whole.iterations


def test_what_is_not_solved_is_a_result_and_not_logged(caplog):
    with caplog.at_level(logging.WARNING, "ostinato"):
        found = convergence(Doubling(), torch.randn(1, 300, 3), iterations=9)
        assert not caplog.records
        with ost.newton(iterations=9):
            ost.RNN(Doubling(), "parallel")(torch.randn(1, 300, 3))
        assert len(caplog.records) == 1
    assert not found.solved
    assert found.iterations == 9
    assert found.error == 0


def test_an_affine_cell_needs_no_iterations():
    found = convergence(Decay(), torch.randn(1, 9, 3))
    assert found.solves == ()
    assert found.iterations == 0
    assert found.error < 1e-6
