"""A plan that cannot be checked is no plan."""

from __future__ import annotations

import torch

from ostinato.compiler.trace import trace
from ostinato.core.recurrence import Recurrence
from ostinato.engines.fused.verify import disagreement, rounding
from ostinato.engines.reference import Reference


def step(h, x):
    return h + x, h


RECURRENCE = Recurrence(step, torch.zeros(3, 2), torch.randn(4, 3, 2), steps=4)


def test_the_step_agrees_with_itself():
    assert disagreement(RECURRENCE, [], Reference().run) is None


def test_other_values_are_told():
    def other(recurrence):
        return recurrence.init, torch.zeros(recurrence.steps, 2, 2)

    assert "values differ" in disagreement(RECURRENCE, [], other)


def test_what_fails_is_told_with_its_first_line():
    def failing(recurrence):
        raise RuntimeError("no derivative\nand more")

    assert disagreement(RECURRENCE, [], failing) == (
        "what was recorded of the step fails: no derivative"
    )


def test_the_lowest_precision_in_a_step_says_how_far_it_rounds():
    h, x = torch.randn(2, 3), torch.randn(2, 3)
    assert rounding(trace(step, h, x)) == 8 * torch.finfo(torch.float32).eps
    assert rounding(trace(step, h, x.bfloat16())) == 8 * torch.finfo(torch.bfloat16).eps
