from __future__ import annotations

import pytest
import torch

from ostinato.core.state import rows_like
from ostinato.engines.parallel.affine import KINDS
from ostinato.engines.parallel.course import Course
from ostinato.engines.parallel.damped import damped
from ostinato.engines.parallel.recurrence import recur

from .loop import assert_near, random


def per_row(damping):
    """One number for each of three rows."""
    return torch.full((3,), damping, dtype=torch.float64)


def kalman(a, b, init, near, damping):
    """The filter step by step, for one row of matrices."""
    one, states = torch.eye(b.shape[-1], dtype=b.dtype), []
    mean, spread = a[0] @ init + b[0], one
    for t in range(len(b)):
        if t:
            mean, spread = a[t] @ mean + b[t], a[t] @ spread @ a[t].T + one
        gain = spread @ torch.linalg.inv(spread + one / damping)
        mean, spread = mean + gain @ (near[t] - mean), spread - gain @ spread
        states.append(mean)
    return torch.stack(states)


@pytest.mark.parametrize("steps", [1, 2, 13])
@pytest.mark.parametrize("kind", ["diagonal", "dense"])
def test_it_is_a_kalman_filter(kind, steps):
    a, b, init = random(kind, steps)
    near = torch.randn_like(b)
    found = damped(Course(KINDS[kind].form), a, b, init, near, per_row(0.3))
    full = torch.diag_embed(a) if kind == "diagonal" else a
    expected = [kalman(full[:, i], b[:, i], init[i], near[:, i], 0.3) for i in range(3)]
    assert_near([found], [torch.stack(expected, 1)], 1e-11)


def least_squares(a, b, init, near, damping):
    """The trust region's problem for one row of matrices, as rows of one dense system."""
    steps, size = b.shape
    whole, side = torch.eye(steps * size, dtype=b.dtype), b.clone()
    side[0] += a[0] @ init
    for t in range(1, steps):
        whole[t * size : (t + 1) * size, (t - 1) * size : t * size] = -a[t]
    rows = torch.cat([whole, damping**0.5 * torch.eye(steps * size, dtype=b.dtype)])
    wanted = torch.cat([side.flatten(), damping**0.5 * near.flatten()])
    return torch.linalg.lstsq(rows, wanted[:, None]).solution.view(steps, size)


@pytest.mark.parametrize("steps", [1, 2, 13])
@pytest.mark.parametrize("kind", ["diagonal", "dense"])
@pytest.mark.parametrize("damping", [0.01, 3.0])
def test_smoothed_states_solve_the_problem_of_the_trust_region(kind, steps, damping):
    a, b, init = random(kind, steps)
    near = torch.randn_like(b)
    found = damped(Course(KINDS[kind].form), a, b, init, near, per_row(damping), smooth=True)
    full = torch.diag_embed(a) if kind == "diagonal" else a
    rows = range(b.shape[1])
    expected = [least_squares(full[:, i], b[:, i], init[i], near[:, i], damping) for i in rows]
    assert_near([found], [torch.stack(expected, 1)], 1e-11)


def test_a_smoother_looks_across_no_cut_and_runs_backwards():
    a, b, init = random("dense", 9)
    near, form = torch.randn_like(b), KINDS["dense"].form
    cut = torch.zeros(9, b.shape[1], dtype=torch.bool)
    cut[4] = True
    whole = damped(Course(form, cut=cut), a, b, init, near, per_row(0.3), smooth=True)
    nothing = torch.zeros_like(init)
    parts = [
        damped(Course(form), a[steps], b[steps], start, near[steps], per_row(0.3), smooth=True)
        for steps, start in ((slice(4), init), (slice(4, None), nothing))
    ]
    assert_near([whole], [torch.cat(parts)], 1e-11)
    turned = [each.flip(0) for each in (a, b, near)]
    backwards = damped(
        Course(form, True, cut=cut.flip(0)), *turned[:2], init, turned[2], per_row(0.3), smooth=True
    )
    assert_near([backwards.flip(0)], [whole], 1e-11)


def test_a_diagonal_filter_is_one_filter_for_each_channel():
    a, b, init = random("diagonal", 13)
    near = torch.randn_like(b)
    found = damped(Course(KINDS["diagonal"].form), a, b, init, near, per_row(0.3))
    for row in range(3):
        for k in range(5):
            one = (a[:, row, k, None, None], b[:, row, k, None], init[row, k, None])
            expected = kalman(*one, near[:, row, k, None], 0.3)
            assert_near([found[:, row, k, None]], [expected], 1e-11)


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("kind", ["diagonal", "block", "dense"])
@pytest.mark.parametrize("smooth", [False, True])
def test_without_damping_it_is_the_recurrence(kind, reverse, smooth):
    a, b, init = random(kind, 9)
    identity, cut = torch.rand(2, 9, 3) < 0.3
    b = b.masked_fill(rows_like(identity, b), 0)
    course = Course(KINDS[kind].form, reverse, identity, cut)
    found = damped(course, a, b, init, torch.randn_like(b), per_row(1e-15), smooth)
    assert_near([found], [recur(course, a, b, init)], 1e-11)


def test_all_damping_stays_where_it_is():
    a, b, init = random("dense", 9)
    near = torch.randn_like(b)
    assert_near(
        [damped(Course(KINDS["dense"].form), a, b, init, near, per_row(1e13))], [near], 1e-11
    )
