"""The learning rate as a pure function of progress: nothing to save, nothing to resume.

Steps of linear increase first. After them, with progress p from 0 to 1: constant 1; cosine
(1 + cos πp) / 2 (Loshchilov & Hutter 2016, arXiv 1608.03983); linear 1 − p.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from ostinato.core.errors import ArgumentError, nearest

_DECAYS: dict[str, Callable[[float], float]] = {
    "constant": lambda p: 1.0,
    "cosine": lambda p: (1 + math.cos(math.pi * p)) / 2,
    "linear": lambda p: 1 - p,
}


def learning_rate_factor(schedule: str, progress: float, step: int, warmup: int) -> float:
    """By which factor the peak learning rate is multiplied in optimizer step `step`.

    Args:
        schedule: "constant", "cosine" or "linear".
        progress: how far the run is when the step begins: 0 at the end of the warm-up, 1 after
            the last step, so that no step has factor 0.
        step: from 0.
        warmup: steps of linear increase.

    Raises:
        ArgumentError: if there is no such schedule.
    """
    if schedule not in _DECAYS:
        raise ArgumentError(f"There is no schedule {schedule!r}. {nearest(schedule, _DECAYS)}")
    return (step + 1) / (warmup + 1) if step < warmup else _DECAYS[schedule](progress)
