from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch
from torch import nn

import ostinato as ost
from ostinato.core.errors import ArgumentError, EngineError, ShapeError
from ostinato.engines.parallel.newton import Outcome
from ostinato.engines.parallel.ode import solve_ode

from .loop import assert_near

ROTATION = torch.tensor([[0.0, -1.0], [1.0, 0.0]], dtype=torch.float64)


def oscillator(y, x):
    return y @ ROTATION


def clock(steps, end=6.0):
    return torch.linspace(0, end, steps, dtype=torch.float64)


def exact(times):
    return torch.stack([times.cos(), -times.sin()], -1)[:, None]


class Field(nn.Module):
    """A small network, driven by x."""

    def __init__(self):
        super().__init__()
        self.inner, self.outer = nn.Linear(5, 6), nn.Linear(6, 2)

    def forward(self, y, x):
        return self.outer(torch.tanh(self.inner(torch.cat([y, x], -1))))


def runge_kutta(field, init, times, drive, parts):
    """The classical method with `parts` steps in each interval; drive is a function of time."""
    y, found = init, [init]
    for begin, end in pairwise(times):
        h = (end - begin) / parts
        for k in range(parts):
            t = begin + k * h
            k1 = field(y, drive(t))
            k2 = field(y + h / 2 * k1, drive(t + h / 2))
            k3 = field(y + h / 2 * k2, drive(t + h / 2))
            y = y + h / 6 * (k1 + 2 * k2 + 2 * k3 + field(y + h * k3, drive(t + h)))
        found.append(y)
    return torch.stack(found)


def drive(t):
    return torch.stack([torch.sin(t), torch.cos(2 * t), t / 6], -1).expand(2, 3)


def test_a_linear_equation_is_solved_at_once():
    times, init = clock(201), torch.tensor([[1.0, 0.0]], dtype=torch.float64)
    with ost.newton() as solves:
        y = solve_ode(oscillator, init, times)
    assert solves[0].outcome is Outcome.CONVERGED
    assert solves[0].iterations == 2
    assert_near([y], [exact(times)], 1e-5)


def test_second_order():
    def pendulum(y, x):
        return torch.stack([y[:, 1], -torch.sin(y[:, 0])], -1)

    init = torch.tensor([[1.0, 0.0]], dtype=torch.float64)
    fine = runge_kutta(pendulum, init, clock(11), lambda t: None, 50)[-1]
    errors = [
        float((solve_ode(pendulum, init, clock(n))[-1] - fine).norm()) for n in (51, 101, 201)
    ]
    assert [a / b for a, b in pairwise(errors)] == pytest.approx([4, 4], rel=0.02)


def test_irregular_times_of_each_row():
    random = torch.rand(150, 2, dtype=torch.float64).cumsum(0) * 0.05
    times = torch.cat([torch.zeros(1, 2, dtype=torch.float64), random])
    init = torch.tensor([[1.0, 0.0], [1.0, 0.0]], dtype=torch.float64)
    y = solve_ode(oscillator, init, times)
    assert_near([y[:, 0], y[:, 1]], [exact(times[:, 0])[:, 0], exact(times[:, 1])[:, 0]], 1e-4)


def test_gradients_are_those_of_the_equation():
    field = Field().double()
    init = torch.randn(2, 2, dtype=torch.float64, requires_grad=True)
    weights = torch.randn(2, 2, dtype=torch.float64)
    wanted = [init, *field.parameters()]

    def gradients(y):
        return torch.autograd.grad((y[-1] * weights).sum() + y.square().mean(0).sum(), wanted)

    expected = gradients(runge_kutta(field, init, clock(9, 3.0), drive, 20)[[0, 4, 8]])
    errors = []
    for steps in (41, 81):
        times = clock(steps, 3.0)
        xs = torch.stack([drive(t) for t in times])
        y = solve_ode(field, init, times, xs)[[0, (steps - 1) // 2, steps - 1]]
        found = gradients(y)
        errors.append(max(float((a - b).abs().max()) for a, b in zip(found, expected, strict=True)))
    assert errors[1] < 1e-3
    assert errors[0] / errors[1] == pytest.approx(4, rel=0.1)


def test_gradient_of_the_input():
    xs = torch.zeros(101, 1, 1, dtype=torch.float64, requires_grad=True)
    init = torch.ones(1, 1, dtype=torch.float64)
    y = solve_ode(lambda y, x: x - y, init, clock(101, 2.0), xs)
    (grad,) = torch.autograd.grad(y[-1].sum(), xs)
    # dy(2)/dx(t) = e^{t−2} dt, half of it at either end.
    expected = 0.02 * torch.exp(clock(101, 2.0) - 2)
    assert_near([grad[1:-1, 0, 0]], [expected[1:-1]], 1e-5)


def test_the_diagonal_finds_the_same():
    def field(y, x):
        return torch.tanh(y @ ROTATION) - 0.3 * y

    init = torch.randn(3, 2, dtype=torch.float64)
    times, results = clock(101, 4.0), []
    for method in ("full", "quasi", "picard", "jacobi"):
        with ost.newton(method):
            results.append(solve_ode(field, init, times))
    for found in results[1:]:
        assert_near([found], [results[0]], 1e-3)


def test_a_guess_saves_iterations():
    field, init, times = Field().double(), torch.randn(2, 2, dtype=torch.float64), clock(61, 2.0)
    xs = torch.stack([drive(t) for t in times])
    with ost.newton() as solves:
        y = solve_ode(field, init, times, xs)
        again = solve_ode(field, init, times, xs, guess=y)
    assert solves[1].iterations == 1 < solves[0].iterations
    assert_near([again], [y], 1e-9)


def test_what_is_not_solved_is_told():
    init, times = torch.ones(1, 1), torch.linspace(0, 5, 51)
    with ost.newton() as solves, pytest.raises(EngineError, match="was not solved: Newton"):
        solve_ode(lambda y, x: y**2, init, times)
    assert solves[0].outcome is not Outcome.CONVERGED
    assert "residual" not in str(solves[0])
    assert "correction" in str(solves[0])


GOOD = {
    "field": lambda y, x: -y, "init": torch.ones(2, 3), "times": torch.rand(5), "xs": None,
}  # fmt: skip


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"times": torch.rand(5, 3)}, "times must be"),
        ({"times": [0, 1]}, "times must be a tensor; got list"),
        ({"xs": torch.rand(4, 2)}, "xs must be given at each"),
        ({"init": torch.ones(2, 3).half()}, "init must be float32 or float64"),
        ({"init": torch.ones(2, 3, dtype=torch.long)}, "init must be float32 or float64"),
        ({"guess": torch.zeros(3, 2, 3)}, r"a trajectory \[5, 2, 3\]; got \[3, 2, 3\]"),
        ({"field": lambda y, x: y.sum(1)}, "field must return a tensor like y"),
        ({"field": lambda y, x: -y.double()}, "got .* torch.float64"),
        ({"field": lambda y, x: None}, "got NoneType"),
    ],
)
def test_arguments_are_checked(wrong, reason):
    with pytest.raises(ShapeError, match=reason):
        solve_ode(**{**GOOD, **wrong})


@pytest.mark.parametrize(
    "option",
    [{"damping": 1.0}, {"window": 10}, {"guess": lambda recurrence: None}],
    ids=lambda option: next(iter(option)),
)
def test_options_without_a_meaning_are_refused(option):
    with (
        ost.newton(**option),
        pytest.raises(ArgumentError, match=f"no use for {next(iter(option))}"),
    ):
        solve_ode(**GOOD)


def test_one_time_is_the_beginning():
    init = torch.ones(2, 3)
    assert math.isclose(float(solve_ode(lambda y, x: -y, init, torch.zeros(1)).sum()), 6)
