"""The budget plans from measured speed, once, and knows when the time is up."""

from __future__ import annotations

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


def run_until_due(budget: Budget, clock: Clock, seconds_per_step: float, start: int = 0) -> int:
    step = start
    while True:
        clock.now += seconds_per_step
        step += 1
        if budget.is_due(step):
            return step


def test_given_steps_are_the_plan(clock: Clock) -> None:
    budget = Budget(steps=7, minutes=None)
    assert budget.plan == 7
    assert not any(budget.is_due(step) for step in range(100))
    clock.now += 1e9
    assert not budget.is_over()


def test_minutes_become_steps_by_measured_speed(clock: Clock) -> None:
    budget = Budget(None, minutes=1.0, warmup=30, evaluate_every=10**9)
    step = run_until_due(budget, clock, 0.1)
    assert step == 30
    budget.make_plan(step, evaluation=0.0)
    assert budget.plan == pytest.approx(600, rel=0.04)
    assert not budget.is_due(step + 1)


def test_slow_first_steps_do_not_count(clock: Clock) -> None:
    budget = Budget(None, minutes=1.0, evaluate_every=10**9)
    for step in range(1, 6):
        clock.now += 2.0
        assert not budget.is_due(step)
    budget.make_plan(run_until_due(budget, clock, 0.1, start=5), evaluation=0.0)
    assert budget.plan == pytest.approx(5 + (60 - 10) / 0.1, rel=0.05)


@pytest.mark.parametrize("every", [None, 50])
def test_the_time_of_evaluations_is_set_aside(clock: Clock, every: int | None) -> None:
    budget = Budget(None, minutes=1.0, evaluate_every=every)
    step = run_until_due(budget, clock, 0.1)
    clock.now += 1.5
    budget.make_plan(step, evaluation=1.5)
    while step < budget.plan:
        clock.now += 0.1
        step += 1
        if budget.evaluates_after(step):
            clock.now += 1.5
    assert 55 < budget.elapsed < 60


def test_evaluations_take_a_tenth_of_the_time_at_most(clock: Clock) -> None:
    budget = Budget(None, minutes=10.0)
    step = run_until_due(budget, clock, 0.1)
    clock.now += 20
    budget.make_plan(step, evaluation=20.0)
    assert sum(budget.evaluates_after(s) for s in range(1, budget.plan + 1)) == 2
    assert budget.plan == pytest.approx((582 - 20 - 2 * 20) / 0.1, rel=0.01)


def test_both_budgets_the_smaller_one_counts(clock: Clock) -> None:
    budget = Budget(steps=100, minutes=1.0)
    assert budget.plan is None
    budget.make_plan(run_until_due(budget, clock, 0.1), evaluation=0.0)
    assert budget.plan == 100


def test_the_time_is_up_while_one_evaluation_still_fits(clock: Clock) -> None:
    budget = Budget(None, minutes=1.0)
    budget.make_plan(run_until_due(budget, clock, 0.1), evaluation=4.0)
    clock.now = 100 + 55.9
    assert not budget.is_over()
    clock.now = 100 + 56.1
    assert budget.is_over()


def test_a_continued_run_keeps_plan_and_time(clock: Clock) -> None:
    first = Budget(None, minutes=1.0)
    first.make_plan(run_until_due(first, clock, 0.1), evaluation=1.0)
    clock.now += 20
    state = first.state_dict()
    clock.now += 1000
    second = Budget(None, minutes=1.0)
    second.load_state_dict(state)
    assert second.plan == first.plan
    assert second.elapsed == pytest.approx(state["elapsed"])


def test_evaluations_fall_on_the_end_and_between() -> None:
    budget = Budget(steps=100, minutes=None)
    assert [s for s in range(1, 101) if budget.evaluates_after(s)] == [*range(13, 100, 13), 100]
    every = Budget(steps=10, minutes=None, evaluate_every=4)
    assert [s for s in range(1, 11) if every.evaluates_after(s)] == [4, 8, 10]
