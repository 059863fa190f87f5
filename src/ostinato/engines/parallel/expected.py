"""What the parallel engine expects of a call on a device: iterations as before, and their time."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import torch
from torch import nn

from ostinato.compiler.fission import Kind
from ostinato.core.estimate import Estimate
from ostinato.core.recurrence import Recurrence
from ostinato.core.state import leaves
from ostinato.engines.parallel.device import scan
from ostinato.engines.parallel.device.chunks import estimates
from ostinato.engines.parallel.evaluate import Plan
from ostinato.engines.parallel.linearise import Group
from ostinato.engines.parallel.newton import Solve
from ostinato.engines.rates import Rates, rates

if TYPE_CHECKING:
    # What generates code is loaded where there is a device.
    from ostinato.engines.fused.lower import Core

# Where no kernel scans: operations of torch for a level, which halves the steps, and back again.
_LEVEL = 10
# How often such a scan goes over its tensors: A, b and h are read and written at every level, each
# half as long as the one before.
_PASSES = 4
# Iterations expected of cores that were not solved before: ParaRNN (arXiv 2510.21450) reports 3 or
# 4 for its cells, and that states are accepted by one more correction adds one.
_AT_FIRST = 5.0
# The gradient, in iterations: one more scan, however many found the states, and its factors.
_GRADIENT = 1.5
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
            latest = float(solve.iterations) if solve.solved else math.inf
            before = self._mean.get(module, latest)
            known = math.isfinite(before) and math.isfinite(latest)
            self._mean[module] = before + _LATEST * (latest - before) if known else latest

    def iterations(self, recurrence: Recurrence, plan: Plan) -> float | None:
        """The mean for the step of a recurrence, at first a guess; None: it is not to be solved.

        Nothing is guessed where elements of a state depend on elements elsewhere: J is a matrix
        then, and iterations may be many. Nor for plain functions, of which nothing is remembered.
        """
        module = _module(recurrence)
        if module is None:
            return None
        apart = not any(group.dense for group in plan.groups)
        mean = self._mean.get(module, _AT_FIRST if apart else math.inf)
        return mean if math.isfinite(mean) else None


def expected(plan: Plan, recurrence: Recurrence, iterations: float) -> Estimate:
    """The time of so many linearisations and scans, or of kernels that do both.

    Args:
        plan: of the step.
        recurrence: the call.
        iterations: of Newton's method; 1 for an affine step.
    """
    found = rates()
    if plan.lowered:
        once = sum(_kernels(core, recurrence, found) for core in plan.lowered)
    else:
        once = sum(_solved(plan, group, recurrence, found) for group in plan.groups)
    gradient = _GRADIENT if torch.is_grad_enabled() else 0.0
    return found.estimate(_around(plan, found) + (iterations + gradient) * once)


def _around(plan: Plan, found: Rates) -> float:
    """Microseconds of torch's operations before and behind the states.

    Where the core is not affine they include it: the guess, or what the gradient goes through.
    """
    core = len(plan.fission.of(Kind.CORE)) if plan.affine else 0
    passes = 3 if torch.is_grad_enabled() else 1
    return passes * (len(plan.fission.trace.nodes) - core) * found.operation


def _kernels(core: Core, recurrence: Recurrence, found: Rates) -> float:
    """Microseconds of an iteration in generated code, and until the host has looked at it."""
    state, count, elements = leaves(recurrence.init)[0], len(core.carry), core.carry[0].size
    item, lanes = state.element_size(), len(state) * elements
    inputs = sum(value.size for value in core.inputs) // elements
    read = (count + inputs) * item
    return 2 * found.launched + _shortest(recurrence.steps, lanes, read, count * item)


def _solved(plan: Plan, group: Group, recurrence: Recurrence, found: Rates) -> float:
    """Microseconds of the linearisation and the scan of leaves that depend on each other."""
    states, steps, passes = leaves(recurrence.init), recurrence.steps, group.passes
    block = group.block
    numbers, item = sum(states[i].numel() for i in group.leaves), states[0].element_size()
    written = steps * numbers * (passes + 1) * item / found.bandwidth
    time = len(plan.tangent.graph.nodes) * passes * found.operation + written
    if scan.available(states[0].device) and block <= scan.LARGEST:
        read = block * (block + 1) * item
        return time + found.launched + _shortest(steps, numbers // block, read, block * item)
    levels = max(1, steps.bit_length())
    return time + _LEVEL * levels * found.operation + _PASSES * written


def _shortest(steps: int, lanes: int, read: int, written: int) -> float:
    """Microseconds of a scan of generated code, in the best number of parts."""
    return next(iter(estimates(steps, lanes, read, written).values()))


def _module(recurrence: Recurrence) -> nn.Module | None:
    known = recurrence.identity[0] if recurrence.identity else None
    return known if isinstance(known, nn.Module) else None
