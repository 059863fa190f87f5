"""Which of several ways to compute something is the fastest on a device: tried once, then known.

What was found is kept in memory and in one file of the cache of kernels, `tuned.json`. It is
named by the device, Triton's version, and what the caller names: the content of a kernel, sizes.
Nothing but names is read back, so a damaged file costs time only.
"""

from __future__ import annotations

import logging
import math
import os
import statistics
from collections.abc import Callable, Hashable, Mapping
from functools import cache
from importlib.metadata import version
from itertools import pairwise
from typing import Any, TypeVar

import torch

from ostinato.core.errors import EngineError
from ostinato.engines.kept import keep, table

logger = logging.getLogger("ostinato")
T = TypeVar("T")
Key = tuple[Hashable, ...]

FILE = "tuned.json"
_REPEATS = 7
_KNOWN: dict[Key, str] = {}


def choose(
    key: Key,
    candidates: Mapping[str, T],
    measure: Callable[[T], float] | None,
    device: str = "cuda",
) -> T:
    """The fastest candidate: from memory, from the file, or measured now.

        form = choose(("form", digest, size_class(rows)), {"persistent": p, "alternating": a}, time)

    Where nothing may be measured (see `measuring`) and nothing is known, the first candidate is
    taken and not remembered; under deterministic algorithms always, so that results do not depend
    on what a clock said.

    Args:
        key: what is chosen for: numbers and text that do not change from process to process.
        candidates: by name, the one of the best estimate first.
        measure: the time of one; infinite, or an error of Triton or torch, if it does not run.
            None: nothing is measured now.
        device: where it runs: "cuda", the current one; "cpu": nothing is measured.
    """
    first = next(iter(candidates.values()))
    if len(candidates) == 1 or deterministic() or device == "cpu":
        return first
    name = known(key, device)
    if name is None or name not in candidates:
        if measure is None or not measuring():
            return first
        name = _found((_device(), *key), candidates, measure)
    return candidates[name]


def known(key: Key, device: str = "cuda") -> str | None:
    """The name that was found for a key, if this process has needed it and clocks decide.

    Args:
        key: as in `choose`.
        device: likewise.
    """
    if device == "cpu" or deterministic():
        return None
    return _KNOWN.get((_device(), *key))


def deterministic() -> bool:
    """Whether estimates decide and clocks do not: as torch was asked, or by OSTINATO_TUNE=0."""
    return torch.are_deterministic_algorithms_enabled() or os.environ.get("OSTINATO_TUNE") == "0"


def measuring() -> bool:
    """Whether kernels may be run for their time now: not while others record what is run."""
    return not (torch.compiler.is_compiling() or torch.cuda.is_current_stream_capturing())


def size_class(n: int) -> int:
    """The power of two that stands for a size, the smallest that is not below it."""
    return 1 << max(0, n - 1).bit_length()


def timed(run: Callable[[], object], repeats: int = _REPEATS) -> float:
    """Microseconds of the current device for a call, the median of several after one more."""
    run()
    marks = [_mark()]
    for _ in range(repeats):
        run()
        marks.append(_mark())
    torch.cuda.synchronize()
    return 1e3 * float(statistics.median(a.elapsed_time(b) for a, b in pairwise(marks)))


def _mark() -> Any:
    """The present place in the current stream."""
    mark = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
    mark.record()
    return mark


def stored() -> dict[str, int]:
    """How many choices are stored, by device."""
    devices = [text.split("|", 1)[0].strip() for text in table(FILE)]
    return {device: devices.count(device) for device in dict.fromkeys(devices)}


def forget() -> None:
    """Forget what this process knows; the file stays."""
    _KNOWN.clear()


def _found(key: Key, candidates: Mapping[str, T], measure: Callable[[T], float]) -> str:
    """Read from the file, or measured and stored."""
    text = " | ".join(map(str, key))
    name = table(FILE).get(text, {}).get("chosen")
    if isinstance(name, str) and name in candidates:
        _KNOWN[key] = name
        return name
    times = {name: _time(name, each, measure) for name, each in candidates.items()}
    best = min(times, key=times.__getitem__)
    if math.isinf(times[best]):
        raise EngineError(
            f"none of {', '.join(candidates)} runs on {key[0]}; the log says why. Set "
            "OSTINATO_TUNE=0 to take the one of the best estimate, or choose another engine."
        )
    _KNOWN[key] = best
    shown = {name: round(time, 2) for name, time in times.items() if math.isfinite(time)}
    try:
        keep(FILE, text, {"chosen": best, "microseconds": shown})
    except (OSError, EngineError) as error:
        logger.info("what was measured is not kept: %s", error)
    return best


def _time(name: str, candidate: T, measure: Callable[[T], float]) -> float:
    """What `measure` says; infinite for a candidate that does not fit the device."""
    from triton.errors import TritonError

    try:
        return measure(candidate)
    except (TritonError, RuntimeError) as error:
        logger.info("candidate %s does not run: %s", name, error)
        return math.inf


@cache
def _versions() -> str:
    return f"triton {version('triton')}"


def _device() -> str:
    """The current device, and what compiles for it."""
    # Estimates are asked for where there is none, too.
    return _named(torch.cuda.current_device()) if torch.cuda._initialized else "no device"


@cache
def _named(index: int) -> str:
    return f"{torch.cuda.get_device_name(index)} | {_versions()}"
