from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

import ostinato as ost
from ostinato.cells.hgrn import HGRNCell
from ostinato.core.errors import ArgumentError

F64, C128 = torch.float64, torch.complex128


def test_the_step_by_its_equations():
    cell, x = HGRNCell(3, 4, lower_bound=0.3, dtype=F64), torch.randn(2, 7, 3, dtype=F64)
    f, g, c_re, c_im = (x @ cell.input.weight.T + cell.input.bias).split([4, 8, 4, 4], -1)
    f, g, c = (
        0.3 + 0.7 * torch.sigmoid(f),
        torch.sigmoid(g),
        torch.complex(F.silu(c_re), F.silu(c_im)),
    )
    turn = torch.exp(1j * cell.theta)
    h, y = torch.zeros(2, 4, dtype=C128), ost.RNN(cell)(x)[0]
    for t in range(7):
        h = f[:, t] * turn * h + (1 - f[:, t]) * c[:, t]
        torch.testing.assert_close(y[:, t], g[:, t] * torch.cat([h.real, h.imag], -1))


def test_no_gate_forgets_more_than_the_bound_and_the_turn_keeps_the_modulus():
    cell = HGRNCell(3, 4, lower_bound=0.9, dtype=F64)
    with torch.no_grad():
        cell.input.weight.zero_()
        cell.input.bias.zero_()
        cell.input.bias[:4] = -1e4
    state = tuple(torch.randn(2, 4, dtype=F64) for _ in range(2))
    _, last = ost.RNN(cell)(torch.randn(2, 9, 3, dtype=F64), state)
    before, after = torch.complex(*state).abs(), torch.complex(*last).abs()
    torch.testing.assert_close(after, 0.9**9 * before)


@pytest.mark.parametrize("engine", ["reference", "fused", "parallel"])
def test_gates_of_zero_and_one(engine):
    cell, x = HGRNCell(3, 2), torch.zeros(1, 9, 3)
    with torch.no_grad():
        cell.theta.zero_()
        cell.input.bias.zero_()
        cell.input.bias[:2] = torch.tensor([-1e4, 1e4])
    state = (torch.ones(1, 2, requires_grad=True), torch.zeros(1, 2))
    _, (re, im) = ost.RNN(cell, engine)(x, state)
    assert re.tolist() == [[0.0, 1.0]]
    assert im.tolist() == [[0.0, 0.0]]
    re.sum().backward()
    assert state[0].grad.tolist() == [[0.0, 1.0]]
    assert all(parameter.grad.isfinite().all() for parameter in cell.parameters())


def test_angles_begin_as_in_rotary_embeddings():
    torch.testing.assert_close(
        HGRNCell(3, 4, dtype=F64).theta.detach(), torch.tensor([1, 0.1, 0.01, 0.001], dtype=F64)
    )


def test_a_bound_out_of_range_is_refused():
    with pytest.raises(ArgumentError, match=r"must lie in \[0, 1\); got 1"):
        HGRNCell(3, 4, lower_bound=1)
