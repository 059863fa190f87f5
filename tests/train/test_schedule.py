"""The schedules rise, decay and end as they say."""

from __future__ import annotations

from itertools import pairwise

import pytest

from ostinato.core.errors import ArgumentError
from ostinato.train.budget import Budget
from ostinato.train.schedule import learning_rate_factor


def curve(name: str, steps: int = 100, warmup: int = 10) -> list[float]:
    budget = Budget(steps, warmup=warmup)
    return [learning_rate_factor(name, budget.progress(k), k, warmup) for k in range(steps)]


@pytest.mark.parametrize("name", ["constant", "cosine", "linear"])
def test_every_schedule_warms_up_linearly(name: str) -> None:
    assert curve(name)[:11] == pytest.approx([(k + 1) / 11 for k in range(11)])


@pytest.mark.parametrize("name", ["cosine", "linear"])
def test_a_decay_falls_to_nearly_zero_and_no_step_is_lost(name: str) -> None:
    values = curve(name)
    assert all(a > b for a, b in pairwise(values[10:]))
    assert 0 < values[-1] < 0.02
    assert learning_rate_factor(name, 1.0, 100, 10) == 0


def test_halfway_the_decays_are_at_a_half() -> None:
    for name in ("cosine", "linear"):
        assert learning_rate_factor(name, 0.5, 55, 10) == pytest.approx(0.5)
        assert curve(name)[55] == pytest.approx(0.5)


def test_constant_stays() -> None:
    assert set(curve("constant")[10:]) == {1.0}


def test_without_warmup_the_first_step_is_at_the_peak() -> None:
    assert curve("cosine", warmup=0)[0] == 1


def test_a_warmup_longer_than_the_run_only_rises() -> None:
    assert curve("cosine", steps=5, warmup=10) == pytest.approx([(k + 1) / 11 for k in range(5)])


def test_an_unknown_schedule_is_guessed() -> None:
    with pytest.raises(ArgumentError, match="Did you mean 'cosine'"):
        learning_rate_factor("cosin", 0, 0, 0)
