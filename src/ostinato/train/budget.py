"""How long a run lasts: a number of steps, or minutes that become one by measured speed.

Everything that depends on how far a run is (the learning rate, when to evaluate) is a function
of its progress, which grows linearly from 0 at the end of the warm-up to 1 at the planned last
step. With minutes the plan is made after the first steps and corrected now and then, as the
machine turns out faster or slower; the progress goes on from where it is. Plan and progress
are part of the checkpoint.
"""

from __future__ import annotations

import math
import time
from typing import Any

INTERVAL = 1 / 8
"""Progress between evaluations, unless the configuration says otherwise."""

_SETTLING = 5  # first steps are slower: buffers, caches and kernels are set up
_MEASURED = 20  # at least so many steps are timed for the first plan
_REVISED = 0.1  # of the steps left, until the plan is corrected
_RESERVE = 0.03  # of the time, for checkpoints and for a machine that becomes busier
_EVALUATING = 0.1  # at most this part of the time goes into evaluations


class Budget:
    """Counts time, plans the steps, and says when to evaluate and when to end.

    Args:
        steps: how many there are; None: as many as the minutes allow.
        minutes: wall time, which begins now; None: no limit.
        warmup: steps during which progress is 0.
        evaluate_every: steps between evaluations; None: an eighth of the run, or more if
            evaluations would take above a tenth of the minutes.

    Attributes:
        plan: the last step; None while it is not known.
    """

    def __init__(
        self,
        steps: int | None,
        minutes: float | None = None,
        warmup: int = 0,
        evaluate_every: int | None = None,
    ):
        self.steps, self.minutes, self.evaluate_every = steps, minutes, evaluate_every
        self.plan = steps
        self._anchor = (warmup, 0.0)
        self._next_evaluation = INTERVAL
        self._evaluation = 0.0
        self._began = time.monotonic()
        self._timed_from: tuple[int, float] | None = None
        self._revise_at = 0

    @property
    def elapsed(self) -> float:
        """Seconds of this run, those before an interruption included."""
        return time.monotonic() - self._began

    def progress(self, step: int) -> float:
        """How far the run is after `step` steps, from 0 to 1."""
        since, before = self._anchor
        if self.plan is None or step <= since:
            return before
        return before + (1 - before) * min(1.0, (step - since) / max(1, self.plan - since))

    def evaluates_after(self, step: int) -> bool:
        """Whether the model is to be evaluated after `step` steps."""
        if step == self.plan:
            return True
        if self.evaluate_every is not None:
            return step % self.evaluate_every == 0
        near_the_end = self._next_evaluation > 1 - INTERVAL / 2
        return self.progress(step) >= self._next_evaluation and not near_the_end

    def evaluated(self, step: int, seconds: float) -> None:
        """Note that the evaluation after `step` steps took `seconds`."""
        self._evaluation = seconds
        self._next_evaluation = self.progress(step) + self._interval()
        if self._timed_from is not None:
            self._timed_from = self._timed_from[0], self._timed_from[1] + seconds

    def is_due(self, step: int) -> bool:
        """Whether a plan is to be made after `step` steps; to be asked after every step."""
        if self.minutes is None:
            return False
        if self._timed_from is None:
            # a resumed run, too, begins with slow steps
            self._timed_from = step + _SETTLING, math.inf
            self._revise_at = max(self._revise_at, step + _SETTLING + _MEASURED)
        if step == self._timed_from[0]:
            self._timed_from = step, self.elapsed
        return step >= self._revise_at

    def make_plan(self, step: int) -> None:
        """Plan, or correct the plan, by the speed since the last time."""
        assert self.minutes is not None
        assert self._timed_from is not None
        done, since = self._timed_from
        each = (self.elapsed - since) / (step - done)
        left = 60 * self.minutes * (1 - _RESERVE) - self.elapsed - self._evaluation
        if self.evaluate_every is not None:
            each += self._evaluation / self.evaluate_every
        else:
            left -= self._evaluation * int((1 - self.progress(step)) / self._interval())
        self._anchor = max(step, self._anchor[0]), self.progress(step)
        plan = step + max(1, math.floor(left / max(each, 1e-9)))
        self.plan = plan if self.steps is None else min(plan, self.steps)
        self._timed_from = step, self.elapsed
        self._revise_at = step + max(10, math.ceil(_REVISED * (self.plan - step)))

    def is_over(self) -> bool:
        """Whether no time is left but for a last evaluation."""
        return self.minutes is not None and self.elapsed + self._evaluation >= 60 * self.minutes

    def state_dict(self) -> dict[str, Any]:
        """The plan, the progress and the time that is used up."""
        return {
            "plan": self.plan,
            "anchor": self._anchor,
            "elapsed": self.elapsed,
            "evaluation": self._evaluation,
            "next_evaluation": self._next_evaluation,
            "revise_at": self._revise_at,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue with the same plan and the time that is left."""
        self.plan, self._anchor = state["plan"], state["anchor"]
        self._evaluation = state["evaluation"]
        self._next_evaluation = state["next_evaluation"]
        self._revise_at = state["revise_at"]
        self._began -= state["elapsed"]

    def _interval(self) -> float:
        """Progress between evaluations."""
        if self.minutes is None:
            return INTERVAL
        return max(INTERVAL, self._evaluation / (_EVALUATING * 60 * self.minutes))
