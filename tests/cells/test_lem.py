from __future__ import annotations

import pytest
import torch

import ostinato as ost
from ostinato.cells.lem import LEMCell
from ostinato.core.errors import ArgumentError
from ostinato.core.state import leaves

F64 = torch.float64


def test_closed_gates_keep_the_state_and_open_ones_replace_it():
    cell = LEMCell(3, 4, step_size=0.5, dtype=F64)
    x, y, z = (torch.randn(2, n, dtype=F64) for n in (3, 4, 4))
    with torch.no_grad():
        cell.input.bias[:8] = -100
        torch.testing.assert_close(cell(x, (y, z)), (y, (y, z)))
        cell.input.bias[:8] = 100
        _, (new_y, new_z) = cell(x, (y, z))
    _, _, x_z, x_y = cell.input(x).chunk(4, -1)
    target = torch.tanh(x_z + y @ cell.recur.weight[8:].T)
    torch.testing.assert_close(new_z, 0.5 * (z + target))
    torch.testing.assert_close(new_y, 0.5 * (y + torch.tanh(x_y + new_z @ cell.recur_out.weight.T)))


def test_each_time_scale_has_a_gate_of_its_own():
    cell, x = LEMCell(3, 4, dtype=F64), torch.randn(2, 3, dtype=F64)
    y, z = torch.randn(2, 2, 4, dtype=F64)
    with torch.no_grad():
        cell.input.bias[:4], cell.input.bias[4:8] = -100, 100
        _, (new_y, new_z) = cell(x, (y, z))
    torch.testing.assert_close(new_z, z)
    assert not torch.allclose(new_y, y)


def test_newtons_method_finds_what_the_loop_finds():
    cell = LEMCell(3, 5, dtype=F64)
    x, results = torch.randn(2, 100, 3, dtype=F64, requires_grad=True), []
    with ost.newton() as solves:
        for engine in ("parallel", "reference"):
            y, state = ost.RNN(cell, engine)(x)
            grads = torch.autograd.grad(y.square().sum(), [x, *cell.parameters()])
            results.append([y, *leaves(state), *grads])
    assert solves[0].engine is None
    for found, expected in zip(*results, strict=True):
        torch.testing.assert_close(found, expected, atol=1e-12, rtol=1e-11)


def test_the_step_must_not_pass_its_target():
    for size in (0.0, 1.5):
        with pytest.raises(ArgumentError, match=f"up to 1; got {size}"):
            LEMCell(3, 4, step_size=size)
