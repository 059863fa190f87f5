"""The time and the memory of one pass, within a limit."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import torch

from ostinato.bench.measure import Work
from ostinato.experiments.stopwatch import seconds

_STATUS, _RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def median_ms(work: Work, device: torch.device, repeats: int, limit: float) -> float:
    """Milliseconds of a pass after a first one, which compiles.

    On CUDA a pass is timed by the device's own events, and begins with none of its data in the
    second cache.

    Args:
        work: the pass; on CUDA it may end before the device is done.
        device: where it runs.
        repeats: how many are timed.
        limit: seconds after which no further one begins.
    """
    timed = _on_device(device) if device.type == "cuda" else _by_wall
    work()
    samples: list[float] = []
    end = time.perf_counter() + limit
    while len(samples) < repeats and (not samples or time.perf_counter() < end):
        samples.append(timed(work))
    return median(samples)


def _by_wall(work: Work) -> float:
    return 1e3 * seconds(work)


def _on_device(device: torch.device) -> Callable[[Work], float]:
    cache = torch.cuda.get_device_properties(device).L2_cache_size
    other = torch.empty(2 * cache, dtype=torch.int8, device=device)

    def timed(work: Work) -> float:
        begin: Any = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
        end: Any = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
        other.zero_()
        begin.record()
        work()
        end.record()
        end.synchronize()
        return float(begin.elapsed_time(end))

    return timed


def megahertz(device: torch.device) -> float | None:
    """The present clock of a device's processors; None where nobody tells."""
    if device.type != "cuda":
        return None
    query = ["nvidia-smi", f"--id={device.index or 0}", "--query-gpu=clocks.sm"]
    try:
        told = subprocess.run(
            [*query, "--format=csv,noheader,nounits"], capture_output=True, text=True, timeout=20
        )
        return float(told.stdout)
    except (OSError, subprocess.SubprocessError, ValueError):
        return None


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
