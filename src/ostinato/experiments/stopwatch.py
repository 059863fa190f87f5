"""The wall time of a pass, on a CPU or a device, for experiments and benchmarks alike."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch


def seconds(
    work: Callable[[], object], device: torch.device | str = "cpu", passes: int = 1
) -> float:
    """Of one pass, the mean of several, from idle to idle.

    Args:
        work: the pass; on a device it may end before that is done.
        device: where it runs.
        passes: how many follow one another, with nothing between them.
    """
    begin = _idle(device)
    for _ in range(passes):
        work()
    return (_idle(device) - begin) / passes


def _idle(device: torch.device | str) -> float:
    """Now, with nothing left to be done on the device."""
    where = torch.device(device)
    if where.type != "cpu":
        torch.accelerator.synchronize(where)
    return time.perf_counter()
