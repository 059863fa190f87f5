from __future__ import annotations

import math

import pytest
import torch

import ostinato as ost
from ostinato.cells.s5 import S5Cell, hippo_normal
from ostinato.core.errors import ArgumentError

F64, C128 = torch.float64, torch.complex128


def system(cell):
    """λ, B, C and Δ of a cell."""
    c_re, c_im = cell.output.weight.detach().chunk(2, 1)
    return (
        torch.complex(-cell.alpha.detach().exp(), cell.omega.detach()),
        torch.complex(*cell.input.weight.detach().chunk(2)),
        torch.complex(c_re, -c_im),
        cell.log_step.detach().exp(),
    )


def test_the_step_is_the_zero_order_hold_of_the_continuous_system():
    cell, x = S5Cell(3, 2, step_min=0.3, step_max=0.3, dtype=F64), torch.randn(2, 7, 3, dtype=F64)
    values, b, c, step = system(cell)
    # The exponential of [[A, B], [0, 0]] Δ holds both parts of the discrete system.
    whole = torch.zeros(5, 5, dtype=C128)
    whole[:2, :2], whole[:2, 2:] = torch.diag(values), b
    held = torch.matrix_exp(whole * step[0])
    h, expected = torch.zeros(2, 2, dtype=C128), []
    for t in range(7):
        h = h @ held[:2, :2].T + x[:, t].to(C128) @ held[:2, 2:].T
        expected.append(2 * (h @ c.T).real + x[:, t] @ cell.skip.weight.T)
    torch.testing.assert_close(ost.RNN(cell)(x)[0], torch.stack(expected, 1))


@pytest.mark.parametrize("blocks", [1, 2])
def test_the_conjugate_half_is_the_whole_real_system(blocks):
    cell = S5Cell(1, 4, blocks=blocks, step_min=0.1, step_max=0.1, dtype=F64)
    values, b, c, _ = system(cell)
    size = 8 // blocks
    root = torch.sqrt(2 * torch.arange(size, dtype=F64) + 1)
    hippo = -torch.tril(torch.outer(root, root), -1) - torch.diag(torch.arange(size) + 1.0)
    low_rank = torch.outer(root, root) / 2
    _, vectors = hippo_normal(size)
    basis = torch.block_diag(*[vectors] * blocks)
    real_a = torch.block_diag(*[hippo + low_rank] * blocks)
    torch.testing.assert_close(2 * ((basis * values) @ basis.mH).real, real_a)
    real_b, real_c = 2 * (basis @ b).real, (c @ basis.mH).real * 2
    times = torch.arange(1, 6, dtype=F64)
    found = torch.stack([2 * (c @ torch.diag(torch.exp(values * t)) @ b).real for t in times])
    expected = torch.stack([real_c @ torch.matrix_exp(real_a * t) @ real_b for t in times])
    torch.testing.assert_close(found, expected)


def test_it_begins_with_the_steps_of_the_paper():
    cell = S5Cell(1, 800, blocks=200)
    step = system(cell)[3]
    assert step.min() >= 1e-3 * (1 - 1e-5)
    assert step.max() <= 1e-1 * (1 + 1e-5)
    # Log-uniform: one half lies below the geometric mean.
    assert abs(float((step < 1e-2).float().mean()) - 0.5) < 0.08
    torch.testing.assert_close(cell.alpha.detach().exp(), torch.full((800,), 0.5))


def test_float32_keeps_its_digits_where_steps_are_small():
    cell = S5Cell(1, 8, step_min=1e-4, step_max=1e-4)
    values, _, _, step = (each.to(C128) for each in system(cell))
    expected = (torch.exp(values * step) - 1) / values
    found = torch.complex(*(part.detach() for part in cell.discretised()[1]))
    torch.testing.assert_close(found.to(C128), expected, rtol=1e-6, atol=0)


@pytest.mark.parametrize("engine", ["reference", "fused", "parallel"])
def test_a_long_step_forgets_all_and_a_vanishing_one_nothing(engine):
    cell, x = S5Cell(3, 2), torch.zeros(1, 9, 3)
    with torch.no_grad():
        cell.log_step.copy_(torch.tensor([9.0, -200.0]))
    state = (torch.ones(1, 2, requires_grad=True), torch.zeros(1, 2))
    _, (re, im) = ost.RNN(cell, engine)(x, state)
    assert re.tolist() == [[0.0, 1.0]]
    assert im.tolist() == [[0.0, 0.0]]
    re.sum().backward()
    assert state[0].grad.tolist() == [[0.0, 1.0]]
    assert all(p.grad is None or p.grad.isfinite().all() for p in cell.parameters())


def test_options_that_do_not_fit_are_refused():
    with pytest.raises(ArgumentError, match="blocks must divide the hidden size 4; got blocks=3"):
        S5Cell(3, 4, blocks=3)
    with pytest.raises(ArgumentError, match="0 < step_min <= step_max"):
        S5Cell(3, 4, step_min=math.inf)
