from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from torch import nn

import ostinato as ost
from ostinato.core.errors import ArgumentError, EngineError, ShapeError
from ostinato.engines.parallel.dae import solve_dae

from .loop import assert_near


class Pair(nn.Module):
    """y_0' = −k y_1 + x with the constraint y_1 + y_1³ = y_0."""

    def __init__(self):
        super().__init__()
        self.k = nn.Parameter(torch.tensor(1.5, dtype=torch.float64))

    def forward(self, dy, y, x):
        force = 0.0 if x is None else x[:, 0]
        change = dy[:, 0] + self.k * y[:, 1] - force
        return torch.stack([change, y[:, 1] + y[:, 1] ** 3 - y[:, 0]], -1)


INIT = torch.tensor([[2.0, 1.0], [0.0, 0.0], [10.0, 2.0]], dtype=torch.float64)


def step_by_step(residual, init, times, xs=None):
    """Backward Euler with Newton's method in each step."""
    found = [init]
    for i, (begin, end) in enumerate(pairwise(times)):
        y, x = found[-1], None if xs is None else xs[i + 1]

        def gap(new, before=found[-1], width=end - begin, x=x):
            return residual((new - before) / width, new, x)

        for _ in range(20):
            matrix = torch.stack(
                [torch.func.jvp(gap, (y,), (e.expand_as(y),))[1] for e in torch.eye(2).to(y)], -1
            )
            y = y - torch.linalg.solve(matrix, gap(y)[..., None])[..., 0]
        found.append(y)
    return torch.stack(found)


def test_it_is_newton_in_every_step():
    pair, times = Pair(), torch.linspace(0, 3, 21, dtype=torch.float64) ** 1.5
    xs = torch.randn(21, 3, 1, dtype=torch.float64)
    with torch.no_grad():
        for given in (None, xs):
            found = solve_dae(pair, INIT, times, given)
            assert_near([found], [step_by_step(pair, INIT, times, given)], 1e-12)


def test_the_constraint_holds_and_the_order_is_one():
    pair, ends = Pair(), []
    for steps in (101, 201, 401):
        times = torch.linspace(0, 2, steps, dtype=torch.float64)
        y = solve_dae(pair, INIT, times).detach()
        assert float((y[..., 1] + y[..., 1] ** 3 - y[..., 0]).abs().max()) < 1e-9
        ends.append(y[-1, 0])
    first, second = (float((b - a).norm()) for a, b in pairwise(ends))
    assert first / second == pytest.approx(2, rel=0.05)


def test_gradients_match_differences():
    pair, times = Pair(), torch.linspace(0, 1, 8, dtype=torch.float64)
    xs = torch.randn(8, 3, 1, dtype=torch.float64, requires_grad=True)
    init = INIT.clone().requires_grad_()

    def run(init, xs, k):
        return solve_dae(pair, init, times, xs)

    with ost.newton(tolerance=1e-13):
        assert torch.autograd.gradcheck(run, (init, xs, pair.k))


def test_what_has_no_solution_is_told():
    def residual(dy, y, x):
        return y**2 + 1

    with pytest.raises(EngineError, match="differential-algebraic equation was not solved"):
        solve_dae(residual, torch.ones(1, 1), torch.linspace(0, 1, 5))


def test_what_it_cannot_use_is_refused():
    init, times = torch.ones(1, 1), torch.linspace(0, 1, 5)
    with ost.newton("quasi"), pytest.raises(ArgumentError, match="solve_dae has no use for method"):
        solve_dae(lambda dy, y, x: dy + y, init, times)
    with pytest.raises(ShapeError, match="residual must return a tensor like y"):
        solve_dae(lambda dy, y, x: y.sum(1), init, times)
    with pytest.raises(ShapeError, match="guess must be a trajectory"):
        solve_dae(lambda dy, y, x: dy + y, init, times, guess=torch.zeros(3, 1, 1))
