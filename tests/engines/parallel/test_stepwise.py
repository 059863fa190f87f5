from __future__ import annotations

from itertools import pairwise

import pytest
import torch

from ostinato.core.recurrence import Recurrence
from ostinato.engines.parallel.stepwise import flow_by_steps

from .loop import assert_near

T, B = 6, 2


def system(reverse, masked):
    """Two leaves with J of their own at every step, and the recurrence around them."""
    matrices = torch.randn(T, B, 5, 5, dtype=torch.float64)

    def step(t, carry):
        new = (matrices[t] @ torch.cat(carry, -1)[..., None])[..., 0]
        return list(new.split([3, 2], -1))

    valid = torch.rand(T, B) < 0.7 if masked else None
    restart = torch.rand(T, B) < 0.3 if masked else None
    init = tuple(torch.zeros(B, n, dtype=torch.float64) for n in (3, 2))
    recurrence = Recurrence(
        step,
        init,
        torch.zeros(T, B, 1),
        T,
        reverse=reverse,
        valid=valid,
        restart=restart,
        fresh=init,
    )
    return matrices, step, recurrence


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("reverse", [False, True])
def test_products_with_j_give_what_the_matrices_give(reverse, masked):
    torch.manual_seed(0)
    matrices, step, recurrence = system(reverse, masked)
    before, grads = ([torch.randn(T, B, n, dtype=torch.float64) for n in (3, 2)] for _ in range(2))
    found = torch.cat(flow_by_steps(step, recurrence, before, grads), -1)
    expected = torch.cat(grads, -1)
    order = list(range(T))[:: 1 if reverse else -1]
    for earlier, later in pairwise(order):
        for row in range(B):
            back = matrices[earlier, row].mT @ expected[earlier, row]
            if masked and not recurrence.valid[earlier, row]:
                back = expected[earlier, row]
            if not masked or not recurrence.restart[earlier, row]:
                expected[later, row] += back
    assert_near([found], [expected])


def test_a_carry_that_is_not_read_gets_nothing():
    recurrence = Recurrence(None, torch.zeros(B, 3), torch.zeros(T, B, 1), T)
    grad = torch.randn(T, B, 3)
    (found,) = flow_by_steps(lambda t, h: [torch.ones(B, 3)], recurrence, [grad], [grad])
    assert_near([found], [grad])
