from __future__ import annotations

import pytest
import torch

import ostinato as ost
from ostinato.cells.mamba2 import Mamba2Cell
from ostinato.core.errors import ArgumentError

F64 = torch.float64


def test_the_step_by_its_equations():
    cell, x = (
        Mamba2Cell(3, 8, heads=4, state_size=5, groups=2, dtype=F64),
        torch.randn(1, 6, 3).double(),
    )
    y = ost.RNN(cell, "reference")(x)[0]
    u, b, c, d = (x[0] @ cell.input.weight.T).split([8, 10, 10, 4], -1)
    for head in range(4):
        state = torch.zeros(5, 2, dtype=F64)
        for t in range(6):
            step = torch.log1p(torch.exp(d[t, head] + cell.step_bias[head]))
            own = u[t].view(4, 2)[head]
            decay = torch.exp(-step * cell.A_log[head].exp())
            state = decay * state + torch.outer(b[t].view(2, 5)[head // 2], step * own)
            expected = state.T @ c[t].view(2, 5)[head // 2] + cell.D[head] * own
            torch.testing.assert_close(y[0, t].view(4, 2)[head], expected)


def test_it_begins_with_steps_and_decays_of_the_paper():
    cell = Mamba2Cell(3, 128, heads=128)
    step = torch.nn.functional.softplus(cell.step_bias)
    assert 0.99e-3 < step.min() < 2e-3 < 5e-2 < step.max() < 0.101
    assert 1 <= cell.A_log.exp().min() < cell.A_log.exp().max() <= 16.01


def test_with_one_key_it_is_a_decaying_sum():
    cell, x = Mamba2Cell(3, 1, state_size=1, dtype=F64), torch.randn(1, 9, 3, dtype=F64)
    f = cell.factors(x[0])
    h = ost.affine_scan(f.g.exp(), (f.k * f.v)[:, 0], kind="diagonal")
    expected = (h * f.q + f.skip)[:, 0]
    torch.testing.assert_close(ost.RNN(cell)(x)[0][0], expected)


def test_options_that_do_not_fit_are_refused():
    with pytest.raises(ArgumentError, match="heads=4, groups=3, state_size=64"):
        Mamba2Cell(3, 8, heads=4, groups=3)
