"""What the parallel engine expects of a call on a device: iterations as before, and their time."""

from __future__ import annotations

import math
from weakref import WeakKeyDictionary

import torch
from torch import nn

from ostinato.core.estimate import Estimate
from ostinato.core.recurrence import Recurrence
from ostinato.core.state import leaves
from ostinato.engines.parallel.evaluate import Plan
from ostinato.engines.parallel.newton import Solve
from ostinato.engines.rates import rates

# Operations of torch for a level of the scan, which halves the steps, and back again.
_LEVEL = 10
# How often a scan goes over its tensors: A, b and h are read and written at every level, each
# half as long as the one before.
_PASSES = 4
# The gradient is one more scan, and linearises again.
_TRAINING = 2.5
# The weight of the latest window in the running mean.
_LATEST = 0.3


class History:
    """How many iterations the windows of a module took, as a running mean."""

    def __init__(self) -> None:
        self._mean: WeakKeyDictionary[nn.Module, float] = WeakKeyDictionary()

    def add(self, recurrence: Recurrence, solve: Solve) -> None:
        """Take a window into account; one that was given up counts as one that never ends."""
        module = _module(recurrence)
        if module is not None:
            latest = math.inf if solve.engine else float(solve.iterations)
            before = self._mean.get(module, latest)
            known = math.isfinite(before) and math.isfinite(latest)
            self._mean[module] = before + _LATEST * (latest - before) if known else latest

    def iterations(self, recurrence: Recurrence) -> float | None:
        """The mean for the step of a recurrence; None: it was not solved."""
        module = _module(recurrence)
        mean = math.inf if module is None else self._mean.get(module, math.inf)
        return mean if math.isfinite(mean) else None


def expected(plan: Plan, recurrence: Recurrence, iterations: float) -> Estimate:
    """The time of so many scans and linearisations.

    Args:
        plan: of the step.
        recurrence: the call.
        iterations: of Newton's method; 1 for an affine step.
    """
    found = rates()
    states = leaves(recurrence.init)
    passes = max(group.passes for group in plan.groups)
    numbers = recurrence.steps * sum(map(torch.numel, states)) * (passes + 2)
    moved = _PASSES * numbers * states[0].element_size() / found.bandwidth
    levels = max(1, recurrence.steps.bit_length())
    operations = len(plan.tangent.graph.nodes) * passes + _LEVEL * levels
    once = operations * found.operation + moved
    return found.estimate(iterations * once * (_TRAINING if torch.is_grad_enabled() else 1))


def _module(recurrence: Recurrence) -> nn.Module | None:
    known = recurrence.identity[0] if recurrence.identity else None
    return known if isinstance(known, nn.Module) else None
