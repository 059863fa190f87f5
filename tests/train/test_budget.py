"""The budget plans by measured speed, corrects itself, and knows when the time is up."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import pytest

from ostinato.train.budget import Budget


class Clock:
    """A clock that the test moves."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("ostinato.train.budget.time.monotonic", clock)
    return clock


def run(
    budget: Budget, clock: Clock, seconds: Callable[[int], float], evaluation: float = 0.0
) -> tuple[list[float], list[int]]:
    """Live through a run; its progress by step, and the steps of its evaluations."""
    progress, evaluations, step = [budget.progress(0)], [], 0
    while not budget.is_over() and step != budget.plan:
        clock.now += seconds(step)
        step += 1
        if budget.evaluates_after(step):
            clock.now += evaluation
            budget.evaluated(step, evaluation)
            evaluations.append(step)
        if budget.is_due(step):
            budget.make_plan(step)
        progress.append(budget.progress(step))
    return progress, evaluations


def test_given_steps_are_the_plan(clock: Clock) -> None:
    budget = Budget(steps=8)
    progress, _ = run(budget, clock, lambda step: 1e6)
    assert progress == pytest.approx([k / 8 for k in range(9)])
    assert not budget.is_over()


def test_progress_begins_after_the_warmup() -> None:
    budget = Budget(steps=10, warmup=6)
    assert [budget.progress(k) for k in (0, 6, 7, 10, 11)] == [0, 0, 0.25, 1, 1]


def test_minutes_become_steps_by_measured_speed(clock: Clock) -> None:
    budget = Budget(None, minutes=1.0, warmup=50)
    progress, _ = run(budget, clock, lambda step: 0.1)
    assert budget.plan == pytest.approx(600, rel=0.04)
    assert progress[-1] == 1
    assert progress[50] == 0 < progress[51]
    assert 57 < budget.elapsed < 60


@pytest.mark.parametrize(
    "seconds",
    [
        lambda step: 2.0 if step < 12 else 0.05,
        lambda step: 0.05 if step < 300 else 0.2,
        lambda step: 0.2 if step < 100 else 0.02,
    ],
)
def test_a_changing_machine_changes_the_plan_and_the_run_still_comes_to_its_end(
    clock: Clock, seconds: Callable[[int], float]
) -> None:
    budget = Budget(None, minutes=1.0)
    progress, _ = run(budget, clock, seconds)
    assert progress[-1] == 1
    assert all(0 <= b - a < 0.1 for a, b in pairwise(progress))
    assert 50 < budget.elapsed < 61


@pytest.mark.parametrize("every", [None, 50])
def test_the_time_of_evaluations_is_set_aside(clock: Clock, every: int | None) -> None:
    budget = Budget(None, minutes=1.0, evaluate_every=every)
    progress, evaluations = run(budget, clock, lambda step: 0.05, evaluation=0.7)
    assert progress[-1] == 1
    assert evaluations[-1] == budget.plan
    gaps = [b - a for a, b in pairwise(evaluations)]
    assert min(gaps[:-1]) >= 50
    assert gaps[-1] >= 50 or every is not None
    assert 56 < budget.elapsed < 60


def test_evaluations_take_a_tenth_of_the_time_at_most(clock: Clock) -> None:
    budget = Budget(None, minutes=10.0)
    _, evaluations = run(budget, clock, lambda step: 0.1, evaluation=20.0)
    assert len(evaluations) == 4
    assert 560 < budget.elapsed < 600


def test_both_budgets_the_smaller_one_counts(clock: Clock) -> None:
    budget = Budget(steps=100, minutes=1.0)
    progress, _ = run(budget, clock, lambda step: 0.1)
    assert len(progress) == 101
    assert progress[-1] == 1


def test_the_time_is_up_while_one_evaluation_still_fits(clock: Clock) -> None:
    budget = Budget(None, minutes=1.0)
    budget.evaluated(1, 4.0)
    clock.now = 100 + 55.9
    assert not budget.is_over()
    clock.now = 100 + 56.1
    assert budget.is_over()


def test_a_continued_run_keeps_plan_progress_and_time(clock: Clock) -> None:
    first = Budget(None, minutes=1.0)
    for step in range(1, 100):
        clock.now += 0.1
        if first.is_due(step):
            first.make_plan(step)
    state = first.state_dict()
    clock.now += 1000
    second = Budget(None, minutes=1.0)
    second.load_state_dict(state)
    assert second.elapsed == pytest.approx(state["elapsed"])
    assert second.state_dict() | {"elapsed": 0} == state | {"elapsed": 0}
    assert [second.progress(k) for k in range(700)] == [first.progress(k) for k in range(700)]
    assert not any(second.is_due(step) for step in (100, 101, 105, 120))


def test_evaluations_fall_on_the_end_and_between(clock: Clock) -> None:
    _, evaluations = run(Budget(steps=100), clock, lambda step: 1.0)
    assert evaluations == [*range(13, 100, 13), 100]
    _, evaluations = run(Budget(steps=10, evaluate_every=4), clock, lambda step: 1.0)
    assert evaluations == [4, 8, 10]
