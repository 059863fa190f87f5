from __future__ import annotations

import pytest
import torch

from ostinato.core.state import rows_like
from ostinato.engines.parallel.affine import KINDS
from ostinato.engines.parallel.course import Course
from ostinato.engines.parallel.damped import damped
from ostinato.engines.parallel.recurrence import recur

from .loop import assert_near, random


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
    found = damped(Course(KINDS[kind].form), a, b, init, near, 0.3)
    full = torch.diag_embed(a) if kind == "diagonal" else a
    expected = [kalman(full[:, i], b[:, i], init[i], near[:, i], 0.3) for i in range(3)]
    assert_near([found], [torch.stack(expected, 1)], 1e-11)


def test_a_diagonal_filter_is_one_filter_for_each_channel():
    a, b, init = random("diagonal", 13)
    near = torch.randn_like(b)
    found = damped(Course(KINDS["diagonal"].form), a, b, init, near, 0.3)
    for row in range(3):
        for k in range(5):
            one = (a[:, row, k, None, None], b[:, row, k, None], init[row, k, None])
            expected = kalman(*one, near[:, row, k, None], 0.3)
            assert_near([found[:, row, k, None]], [expected], 1e-11)


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("kind", ["diagonal", "block", "dense"])
def test_without_damping_it_is_the_recurrence(kind, reverse):
    a, b, init = random(kind, 9)
    identity, cut = torch.rand(2, 9, 3) < 0.3
    b = b.masked_fill(rows_like(identity, b), 0)
    course = Course(KINDS[kind].form, reverse, identity, cut)
    found = damped(course, a, b, init, torch.randn_like(b), 1e-15)
    assert_near([found], [recur(course, a, b, init)], 1e-11)


def test_all_damping_stays_where_it_is():
    a, b, init = random("dense", 9)
    near = torch.randn_like(b)
    assert_near([damped(Course(KINDS["dense"].form), a, b, init, near, 1e13)], [near], 1e-11)
