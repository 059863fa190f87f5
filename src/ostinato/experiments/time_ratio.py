"""How many times as long one piece of work takes as another."""

from __future__ import annotations

from collections.abc import Callable
from statistics import median

from ostinato.experiments.stopwatch import seconds


def time_ratio(above: Callable[[], object], below: Callable[[], object], repeats: int) -> float:
    """Time over time, measured in turn, so that what disturbs one disturbs both; the median.

    Args:
        above: whose time is divided.
        below: by whose time.
        repeats: pairs of timings, after one of each that is not counted.
    """
    above(), below()
    return median(seconds(above) / seconds(below) for _ in range(repeats))
