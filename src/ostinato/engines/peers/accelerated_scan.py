"""accelerated-scan: h_t = a_t h_{t−1} + b_t for each channel, in its CUDA kernels.

The step is taken apart as for `parallel`; this engine only solves the recurrence otherwise. Its
function takes channels first, time last, and as many steps as a power of two, from 32 to 65,536.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from ostinato.core.recurrence import Recurrence
from ostinato.core.registry import Doubt
from ostinato.core.state import State
from ostinato.engines.parallel.course import Course
from ostinato.engines.parallel.engine import Parallel
from ostinato.engines.parallel.evaluate import Plan, evaluate
from ostinato.engines.parallel.system import System
from ostinato.engines.peers.installed import RANK, missing, unfit

_LEAST, _MOST = 2**5, 2**16


class AcceleratedScan(Parallel):
    """Solve elementwise affine steps by the scan of that library."""

    name = "accelerated-scan"
    summary = "the CUDA scan of that library, for elementwise affine steps"
    rank = RANK
    library = ("accelerated_scan", "accelerated-scan")
    most: float = _MOST

    def decline(self, recurrence: Recurrence) -> str | None:
        """Why its scan cannot solve the recurrence, or None."""
        reason = missing(*self.library) or unfit(recurrence)
        if reason is None and recurrence.steps > self.most:
            reason = f"its scan takes {self.most} steps at most, not {recurrence.steps}"
        if reason is not None:
            return reason
        plan = self._plans.get(recurrence)
        if isinstance(plan, str):
            return super().decline(recurrence)
        if not plan.affine or any(group.form.axes for group in plan.groups):
            return "the step is not affine in the state, element by element"
        return super().decline(recurrence)

    def hesitate(self, recurrence: Recurrence) -> Doubt | None:
        """Never: `auto` does not come this far."""
        return None

    def run(self, recurrence: Recurrence) -> tuple[State, Any]:
        """The last carry and the outputs, leaves (T, ...)."""
        plan = self._plans.get(recurrence)
        assert isinstance(plan, Plan)
        return evaluate(plan, recurrence, self._states)

    def solve(self, a: Tensor, b: Tensor) -> Tensor:
        """h of a and b, (B, C, T), from h = 0 on.

        Args:
            a: (B, C, T).
            b: (B, C, T).
        """
        h: Tensor = import_module("accelerated_scan.warp").scan(_padded(a), _padded(b))
        return h[..., : b.shape[-1]]

    def _states(self, system: System) -> list[Tensor]:
        steps = system.recurrence.steps
        maps = system.linearise([h.new_zeros(steps, *h.shape) for h in system.init])
        return system.part([_scan(self.solve, *each) for each in system.courses(maps)])


def _scan(
    solve: Callable[[Tensor, Tensor], Tensor], course: Course, a: Tensor, b: Tensor, init: Tensor
) -> Tensor:
    """h (T, B, ...) of a (T, B, ...), which may be broadcast, b (T, B, ...) and init (B, ...)."""
    a = a.expand_as(b)
    if course.reverse:
        a, b = a.flip(0), b.flip(0)
    # The scan begins with zero, so that the first state is an input of the first step.
    b = torch.cat([b[:1] + a[:1] * init, b[1:]])
    h = solve(_channels_first(a), _channels_first(b)).movedim(-1, 0).reshape(b.shape)
    return h.flip(0) if course.reverse else h


def _channels_first(values: Tensor) -> Tensor:
    """(T, B, ...) as (B, C, T)."""
    flat = values.flatten(2) if values.dim() > 2 else values[..., None]
    return flat.movedim(0, -1)


def _padded(values: Tensor) -> Tensor:
    """(B, C, T) with zeros up to a number of steps that the scan takes."""
    steps = values.shape[-1]
    padded = max(_LEAST, 1 << (steps - 1).bit_length())
    return F.pad(values, (0, padded - steps)).contiguous()
