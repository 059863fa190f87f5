"""When a run ends, and why."""

from __future__ import annotations

from enum import StrEnum
from typing import Any


class StopReason(StrEnum):
    """Why a run ended; the value is the sentence for people."""

    STEPS = "all steps are done"
    MINUTES = "the time is up"
    PATIENCE = "the score has not improved for too long"
    INTERRUPTED = "interrupted; continue with --resume"


class EarlyStopping:
    """Remembers the best score, and stops when it has not improved for `patience` evaluations.

    Args:
        higher_is_better: whether a larger score is better.
        patience: evaluations without improvement before the stop; None: never stop.
    """

    def __init__(self, higher_is_better: bool, patience: int | None = None):
        self.higher_is_better, self.patience = higher_is_better, patience
        self.best: float | None = None
        self.best_step: int | None = None
        self.waited = 0

    def update(self, score: float, step: int) -> bool:
        """Take in the score of an evaluation; whether it is the best so far.

        A score that is not a number is never the best.
        """
        if self._improves(score):
            self.best, self.best_step, self.waited = score, step, 0
            return True
        self.waited += 1
        return False

    @property
    def reason(self) -> StopReason | None:
        """PATIENCE once it is exhausted, else None."""
        exhausted = self.patience is not None and self.waited >= self.patience
        return StopReason.PATIENCE if exhausted else None

    def state_dict(self) -> dict[str, Any]:
        """The best score, its step, and how many evaluations came since."""
        return {"best": self.best, "best_step": self.best_step, "waited": self.waited}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from `state_dict()`."""
        self.best, self.best_step = state["best"], state["best_step"]
        self.waited = state["waited"]

    def _improves(self, score: float) -> bool:
        if self.best is None:
            return score == score  # false for NaN only
        return score > self.best if self.higher_is_better else score < self.best
