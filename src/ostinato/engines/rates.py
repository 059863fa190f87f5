"""What a device does in a microsecond, by which engines estimate their time.

Measured by `python -m ostinato.bench.device_rates`, which keeps the numbers in the cache of
kernels; until then those of an H100. Its memory's rate is that of a copy; multiplication and what
a step takes at the least are fitted to published times: FlashRNN (Pöppel et al. 2025,
arXiv:2412.07752, table of 1024 steps, B = 16, hidden size 768) reports 1.4 to 2.0 ms for Triton
kernels of small heads, 10.8 ms for a launch at every step, 2.0 ms for cuDNN, 150 ms for a loop in
Python; a call with its gradient takes 2.6 and 3.3 times as long.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field, fields
from functools import cache
from typing import Any

import torch

from ostinato.core.estimate import Estimate
from ostinato.engines.kept import keep, table

FILE = "rates.json"


@dataclass(frozen=True)
class Rates:
    """Rates in units for each microsecond; of a multiprocessor, where not said otherwise.

    Attributes:
        origin: where the numbers come from.
        bandwidth: bytes of memory, of the device.
        cache: bytes that a multiprocessor reads again from the caches.
        pointwise: additions, or their like.
        multiply: multiplications, by the precision of products.
        call: microseconds in which a kernel, its arguments prepared, is launched.
        operation: microseconds of a small operation of torch.
        second_cache: bytes that all multiprocessors together read again.
        launched: microseconds until another kernel or product of a step is launched.
        replayed: microseconds from one to the next, where a recording of them is replayed.
        answer: microseconds until memory answers a loop that waits for it.
        following: microseconds until a further kernel of a scan runs.
        barrier: microseconds until all programs have met.
        product_step: microseconds, the least of a step that multiplies.
        chunk: microseconds until a part of a matrix arrives from the caches.
        pointwise_step: microseconds, the least of any other step.
        cudnn_step: microseconds, the least of a step of cuDNN.
        python_step: microseconds of a step in Python.
    """

    origin: str = "published times of an H100, not measured here"
    bandwidth: float = 3.0e6
    cache: float = 5.0e4
    pointwise: float = 1.0e5
    multiply: Mapping[str, float] = field(
        default_factory=lambda: {
            "ieee": 1.2e5, "tf32x3": 2.0e5, "tf32": 6.0e5, "bf16": 1.2e6, "fp16": 1.2e6,
        }
    )  # fmt: skip
    call: float = 50.0
    operation: float = 6.0
    second_cache: float = 4.0e6
    launched: float = 30.0
    replayed: float = 3.0
    answer: float = 0.7
    following: float = 8.0
    barrier: float = 2.0
    product_step: float = 1.2
    chunk: float = 0.3
    pointwise_step: float = 0.25
    cudnn_step: float = 1.9
    python_step: float = 145.0

    def estimate(self, microseconds: float) -> Estimate:
        """A time that was computed by these rates."""
        return Estimate(microseconds, self.origin)


def rates() -> Rates:
    """Those of the current device."""
    present = torch.cuda.is_available()
    return of_device(torch.cuda.get_device_name() if present else "")


@cache
def of_device(name: str) -> Rates:
    """Those that were measured on a device, or else the defaults."""
    found = table(FILE).get(name, {})
    default = Rates()
    with suppress(TypeError, ValueError, AttributeError, KeyError):
        if found["multiply"].keys() == default.multiply.keys():
            return Rates(**{each.name: _number(found[each.name]) for each in fields(Rates)})
    return default


def _number(value: Any) -> Any:
    """Text as it is; numbers, also in tables, only if they can be rates."""
    if isinstance(value, dict):
        return {name: _number(each) for name, each in value.items()}
    if isinstance(value, str):
        return value
    if not isinstance(value, float | int) or not value > 0:
        raise ValueError(f"a rate is a positive number, not {value!r}")
    return float(value)


def store(name: str, found: Rates) -> None:
    """Keep what was measured on a device.

    Raises:
        OSError: if there is no room.
        EngineError: if the cache cannot be used.
    """
    keep(FILE, name, asdict(found))
    of_device.cache_clear()
