"""The time and the memory of one pass, within a limit."""

from __future__ import annotations

import time
from pathlib import Path
from statistics import median

import torch

from ostinato.bench.measure import Work

_STATUS, _RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def median_ms(work: Work, repeats: int, limit: float) -> float:
    """Milliseconds of a pass after a first one, which compiles.

    Args:
        work: the pass; it ends when the device is done.
        repeats: how many are timed.
        limit: seconds after which no further one begins.
    """
    work()
    samples: list[float] = []
    end = time.perf_counter() + limit
    while len(samples) < repeats and (not samples or time.perf_counter() < end):
        begin = time.perf_counter()
        work()
        samples.append(time.perf_counter() - begin)
    return 1e3 * median(samples)


def peak_bytes(work: Work, device: torch.device) -> int | None:
    """What a pass takes beyond what is taken before it; None where nobody tells.

    On CUDA this is what torch's allocator hands out. On the CPU it is the memory of the process,
    in which room that was given back and is used again does not count: a lower estimate.
    """
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        work()
        return torch.cuda.max_memory_allocated(device) - before
    if not _RESET.exists():
        return None
    # 5 is the kernel's word for "forget the highest so far".
    _RESET.write_text("5")
    before = _resident("VmRSS")
    work()
    return max(0, _resident("VmHWM") - before)


def _resident(name: str) -> int:
    """A size of this process in bytes, as the kernel tells it in KiB."""
    line = next(line for line in _STATUS.read_text().splitlines() if line.startswith(name))
    return 1024 * int(line.split()[1])
