"""What a device does in a microsecond, measured for the estimates of engines, and kept.

python -m ostinato.bench.device_rates

Memory, calls, the least of a step and what scans wait for are measured; the rates of
multiplication and of the caches stay the published ones.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import asdict, replace
from datetime import UTC, datetime

import torch

import ostinato as ost
from ostinato.bench.command import status
from ostinato.bench.machine import this_machine
from ostinato.cells import make_cell
from ostinato.engines.parallel.affine_map import Pointwise
from ostinato.engines.parallel.course import Course
from ostinato.engines.parallel.device import chunks
from ostinato.engines.parallel.device.scan import run_in_parts
from ostinato.engines.rates import Rates, store
from ostinato.engines.tuned import timed

Clock = Callable[[Callable[[], object]], float]
# More than caches hold.
_BYTES = 2**28
_ROWS, _SIZE = 16, 64
# Steps of two calls, whose difference is that of so many steps.
_FEW, _MANY = 64, 1088


def measured(device: str, clock: Clock = timed) -> Rates:
    """Rates of a device.

    Args:
        device: where.
        clock: microseconds of a call.
    """
    there = torch.empty(_BYTES // 4, device=device).normal_()
    copy, small = torch.empty_like(there), torch.zeros(8, device=device)
    call, pointwise = _call_and_step("ParaGRU", "fused", device, clock)
    answer, following = _of_scans(device, clock)
    date = datetime.now(UTC).strftime("%Y-%m-%d")
    return replace(
        Rates(),
        origin=f"rates measured on {this_machine(device).device or device}, {date}",
        bandwidth=2 * _BYTES / clock(lambda: copy.copy_(there)),
        operation=clock(lambda: [small.add_(1) for _ in range(100)]) / 100,
        call=call,
        pointwise_step=pointwise,
        product_step=_call_and_step("GRU", "fused", device, clock)[1],
        cudnn_step=_call_and_step("GRU", "torch", device, clock)[1],
        python_step=_call_and_step("GRU", "reference", device, clock)[1],
        answer=answer,
        following=following,
    )


def _call_and_step(name: str, engine: str, device: str, clock: Clock) -> tuple[float, float]:
    """Microseconds of a call without its steps, and of a step; neither can be nothing."""
    layer = ost.RNN(make_cell(name, _SIZE, _SIZE), engine).to(device)
    drawn = [torch.randn(_ROWS, steps, _SIZE, device=device) for steps in (_FEW, _MANY)]
    with torch.no_grad():
        few, many = (clock(lambda x=x: layer(x)) for x in drawn)  # type: ignore[misc]
    step = max(1e-3, (many - few) / (_MANY - _FEW))
    return max(1.0, few - _FEW * step), step


def _of_scans(device: str, clock: Clock) -> tuple[float, float]:
    """Microseconds until memory answers, and until the next kernel of a scan runs.

    One lane fills nothing, so that it only waits; two parts are three kernels, whose steps are
    about as many as those of one loop.
    """

    def taken(steps: int, size: int) -> float:
        a, b = torch.rand(2, steps, 1, 1, device=device)
        init, out = torch.zeros_like(b[0]), torch.empty_like(b)
        return clock(lambda: run_in_parts(Course(Pointwise()), size, a, b, init, out))

    few, many = (taken(steps, steps) for steps in (_FEW, _MANY))
    step = max(1e-3, (many - few) / (_MANY - _FEW))
    further = (taken(_FEW, _FEW // 2) - few - 2 * step) / 2
    return chunks.TOGETHER * step, max(1e-3, further)


def main() -> None:
    """Measure the current device, keep what was found, and print it."""
    name = this_machine("cuda").device
    found = measured("cuda")
    store(name, found)
    for rate, value in asdict(found).items():
        print(f"{rate:16} {value}")


if __name__ == "__main__":
    sys.exit(status(main))
