"""The learning rate as a pure function of progress: nothing to save, nothing to resume.

Warm-up: steps of linear increase. After it, with p the share of the remaining steps that are
done: constant 1; cosine (1 + cos πp) / 2 (Loshchilov & Hutter 2016, arXiv 1608.03983); linear
1 − p.
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


def learning_rate_factor(schedule: str, step: int, steps: int, warmup: int) -> float:
    """By which factor the peak learning rate is multiplied in optimizer step `step`.

    Args:
        schedule: "constant", "cosine" or "linear".
        step: from 0.
        steps: how many steps the run has. The factor is above 0 in each of them.
        warmup: steps of linear increase.

    Raises:
        ArgumentError: if there is no such schedule.
    """
    if schedule not in _DECAYS:
        raise ArgumentError(f"There is no schedule {schedule!r}. {nearest(schedule, _DECAYS)}")
    if step < warmup:
        return (step + 1) / (warmup + 1)
    progress = (step - warmup) / max(1, steps - warmup)
    return _DECAYS[schedule](min(1.0, progress))
