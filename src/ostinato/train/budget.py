"""How many steps a run has: given, or planned from measured speed when minutes are given.

The plan is made once, after a short warm-up, and is saved: from then on the learning rate is a
pure function of the step.
"""

from __future__ import annotations

import math
import time
from typing import Any

EVALUATIONS = 8
"""How often a run is evaluated unless the configuration says otherwise."""

_SETTLING = 5  # first steps are slower: buffers, caches and kernels are set up
_MEASURED = 20  # at least so many steps are timed
_RESERVE = 0.03  # of the time, for checkpoints and for a machine that becomes busier
_EVALUATING = 0.1  # at most this part of the time goes into evaluations


class Budget:
    """Counts time and fixes the number of steps.

    Args:
        steps: given number of steps.
        minutes: given time, which begins now.
        warmup: steps of the learning rate's warm-up; the plan is made behind them.
        evaluate_every: steps between evaluations; None: `EVALUATIONS` in the whole run, or
            fewer if they would take more than a tenth of the minutes.

    Attributes:
        plan: number of steps of the run; None until it is measured.
    """

    def __init__(
        self,
        steps: int | None,
        minutes: float | None,
        warmup: int = 0,
        evaluate_every: int | None = None,
    ):
        self.steps, self.minutes, self.evaluate_every = steps, minutes, evaluate_every
        self.plan = steps if minutes is None else None
        self._decides_at = max(warmup, _SETTLING + _MEASURED)
        self._began = time.monotonic()
        self._settled: tuple[int, float] | None = None
        self._evaluation, self._evaluations = 0.0, EVALUATIONS
        self._first_step: int | None = None

    @property
    def elapsed(self) -> float:
        """Seconds of this run, those before an interruption included."""
        return time.monotonic() - self._began

    def is_due(self, step: int) -> bool:
        """Note that `step` steps are done; whether the plan is to be made now."""
        if self._first_step is None:
            self._first_step = step
        if self._settled is None and step - self._first_step >= _SETTLING:
            self._settled = step, self.elapsed
        timed = self._settled is not None and step - self._settled[0] >= _MEASURED
        return self.plan is None and step >= self._decides_at and timed

    def make_plan(self, step: int, evaluation: float) -> None:
        """Fix the number of steps from the speed so far.

        Args:
            step: steps done.
            evaluation: seconds that the evaluation after them took.
        """
        assert self.minutes is not None
        assert self._settled is not None
        done, since = self._settled
        each = (self.elapsed - evaluation - since) / (step - done)
        left = 60 * self.minutes * (1 - _RESERVE) - self.elapsed
        if self.evaluate_every is None:
            affordable = int(_EVALUATING * left / max(evaluation, 1e-9))
            self._evaluations = max(1, min(EVALUATIONS, affordable))
            left -= self._evaluations * evaluation
        else:
            left, each = left - evaluation, each + evaluation / self.evaluate_every
        plan = step + max(1, math.floor(left / each))
        self.plan = plan if self.steps is None else min(plan, self.steps)
        self._evaluation = evaluation

    def evaluates_after(self, step: int) -> bool:
        """Whether the model is to be evaluated after `step` steps."""
        if self.plan is None:
            return self.evaluate_every is not None and step % self.evaluate_every == 0
        every = self.evaluate_every or math.ceil(self.plan / self._evaluations)
        return step == self.plan or step % every == 0

    def is_over(self) -> bool:
        """Whether no time is left but for a last evaluation."""
        return self.minutes is not None and self.elapsed + self._evaluation >= 60 * self.minutes

    def state_dict(self) -> dict[str, Any]:
        """The plan and the time that is used up."""
        return {
            "plan": self.plan,
            "elapsed": self.elapsed,
            "evaluation": self._evaluation,
            "evaluations": self._evaluations,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue with the same plan and the time that is left."""
        self.plan = state["plan"]
        self._evaluation, self._evaluations = state["evaluation"], state["evaluations"]
        self._began -= state["elapsed"]
