"""The best score is remembered, and patience ends."""

from __future__ import annotations

import pytest

from ostinato.train.early_stopping import EarlyStopping, StopReason


@pytest.mark.parametrize(("sign", "higher"), [(1, True), (-1, False)])
def test_it_stops_after_patience_evaluations_without_improvement(sign: int, higher: bool) -> None:
    stopping = EarlyStopping(higher, patience=2)
    scores = [1, 2, 1.5, 2.5, 2.5, 2.4]
    better = [stopping.update(sign * score, step) for step, score in enumerate(scores[:-1])]
    assert better == [True, True, False, True, False]
    assert stopping.reason is None
    stopping.update(sign * scores[-1], 5)
    assert stopping.reason is StopReason.PATIENCE
    assert (stopping.best, stopping.best_step) == (sign * 2.5, 3)


def test_without_patience_it_never_stops() -> None:
    stopping = EarlyStopping(False)
    for step in range(100):
        stopping.update(1.0, step)
    assert stopping.reason is None
    assert stopping.best_step == 0


def test_nan_is_never_the_best() -> None:
    stopping = EarlyStopping(False, patience=1)
    assert not stopping.update(float("nan"), 0)
    assert stopping.reason is StopReason.PATIENCE
    assert stopping.update(3.0, 1)
    assert not stopping.update(float("nan"), 2)
    assert stopping.best == 3.0


def test_its_state_continues() -> None:
    first = EarlyStopping(True, patience=2)
    first.update(1.0, 0)
    first.update(0.5, 1)
    second = EarlyStopping(True, patience=2)
    second.load_state_dict(first.state_dict())
    second.update(0.5, 2)
    assert second.reason is StopReason.PATIENCE
    assert second.best_step == 0
