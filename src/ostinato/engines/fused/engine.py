"""The fused engine: the core of a step as one generated loop, C++ on the CPU, Triton on CUDA.

What needs no loop is run by torch for all steps at once: the input part before, the output part
after, the gradients of matrices as one product.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, fx

from ostinato.compiler.fission import Kind
from ostinato.compiler.fission import split as split_step
from ostinato.compiler.plan import PlanCache
from ostinato.compiler.stages import stages
from ostinato.compiler.trace import TraceError, trace
from ostinato.core.errors import EngineError
from ostinato.core.estimate import Estimate
from ostinato.core.recurrence import Recurrence
from ostinato.core.registry import Doubt, note
from ostinato.core.state import State, index, leaves
from ostinato.engines.autocast import autocast_inside
from ostinato.engines.fused.backend import Backend, backend
from ostinato.engines.fused.evaluate import Plan, evaluate, run
from ostinato.engines.fused.layout import LowerError
from ostinato.engines.fused.levels import Levels, OverLevels
from ostinato.engines.fused.lower import lower
from ostinato.engines.fused.verify import disagreement, rounding
from ostinato.engines.rates import rates


class FusedLoop:
    """Evaluate the core in generated code."""

    name = "fused"
    summary = "generated loop, forward and backward: C++, or Triton on CUDA"
    rank = 5

    def __init__(self, find: Callable[[str], Backend | None] = backend) -> None:
        self._find = find
        self._plans: PlanCache[Plan | str] = PlanCache(self._plan)

    def decline(self, recurrence: Recurrence) -> str | None:
        """Why no code can be generated for this recurrence, or None."""
        plan = self._unsupported(recurrence) or self._planned(recurrence)
        return plan if isinstance(plan, str) else None

    def hesitate(self, recurrence: Recurrence) -> Doubt | None:
        """A step of unknown identity is traced at every call; a device has a way around loops."""
        if recurrence.identity is None and recurrence.steps < 1000:
            return Doubt(
                "the function reaches objects that could change unseen, so it is traced anew at "
                "every call, which pays for long sequences",
                -1,
            )
        return None

    def estimate(self, recurrence: Recurrence) -> Estimate | None:
        """The time of the loop, and of torch's operations around it."""
        plan = self._planned(recurrence)
        assert isinstance(plan, Plan)
        rows = len(leaves(recurrence.init)[0])
        training = torch.is_grad_enabled()
        loop = plan.kernel.microseconds(recurrence.steps, rows, training)
        found = rates()
        around = len(plan.fission.trace.nodes) - len(plan.fission.of(Kind.CORE))
        passes = 3 if training else 1
        return None if loop is None else found.estimate(loop + passes * around * found.operation)

    def run(self, recurrence: Recurrence) -> tuple[State, Any]:
        """The last carry and the outputs, leaves (T, ...)."""
        plan = self._planned(recurrence)
        assert isinstance(plan, Plan)
        with torch.autocast(plan.backend.device, enabled=False):
            result = evaluate(plan, recurrence.without_masks())
        # Only now is it known what was measured.
        rows = len(leaves(recurrence.init)[0])
        if form := plan.kernel.form(rows, recurrence.steps, torch.is_grad_enabled()):
            note(form)
        return result

    def over(self, recurrence: Recurrence, levels: Levels) -> tuple[State, Any]:
        """The states and outputs of a step whose rows wait for one another, level by level.

        Args:
            recurrence: of one step, on the CPU and not declined; its rows in the order of levels.
            levels: the rows and edges.
        """
        plan = self._planned(recurrence)
        assert isinstance(plan, Plan)
        with torch.autocast(plan.backend.device, enabled=False):
            return run(OverLevels(plan, levels), recurrence.init, recurrence.xs)

    def capture(self, recurrence: Recurrence) -> Plan | str:
        """The plan, to be made part of a graph that torch compiles; or why there is none."""
        if recurrence.checkpoint is not None:
            return "checkpoint makes windows, and torch.compile would have to fix their number"
        return self._unsupported(recurrence) or self._planned(recurrence)

    def _unsupported(self, recurrence: Recurrence) -> str | None:
        """What about the call, not the step, stands in the way."""
        states, inputs = leaves(recurrence.init), leaves(recurrence.xs)
        if not states:
            return "there is no state"
        device = states[0].device
        backend = self._find(device.type)
        if backend is None:
            return f"code is generated for CPU and CUDA, and the tensors lie on {device}"
        if any(leaf.device != device for leaf in (*states, *inputs)):
            return "the state and the inputs lie on several devices"
        dtypes = {leaf.dtype for leaf in states}
        if len(dtypes) > 1 or not dtypes <= set(backend.dtypes):
            known = ", or ".join(
                f"{str(d).removeprefix('torch.')} throughout" for d in backend.dtypes
            )
            return backend.obstacle() or f"the state must be {known}"
        return backend.obstacle() or _unsupported(recurrence, states, inputs)

    def _planned(self, recurrence: Recurrence) -> Plan | str:
        device = _device(recurrence.init)
        recurrence = autocast_inside(recurrence.without_masks(), device)
        with torch.autocast(device, enabled=False):
            return self._plans.get(recurrence)

    def _plan(self, recurrence: Recurrence) -> Plan | str:
        backend = self._find(_device(recurrence.init))
        assert backend is not None
        return _plan(recurrence, backend)


def _device(state: State) -> str:
    """The kind of device of a state; without looking at all its leaves, where that is easy."""
    first = state[0] if isinstance(state, tuple) and state else state
    return (first if isinstance(first, Tensor) else leaves(state)[0]).device.type


def _unsupported(recurrence: Recurrence, states: list[Tensor], inputs: list[Tensor]) -> str | None:
    """The same, whatever the device."""
    rows = {leaf.shape[0] for leaf in states if leaf.dim()} | {
        leaf.shape[1] for leaf in inputs if leaf.dim() > 1
    }
    if any(leaf.dim() == 0 for leaf in states) or len(rows) != 1:
        return "the state and the inputs have no common batch axis"
    if recurrence.steps == 0 or rows == {0}:
        return "there are no steps, or no rows"
    if torch._C._functorch.peek_interpreter_stack() is not None:
        return "torch.func transforms need a step of torch operations"
    if torch.autograd.forward_ad._current_level >= 0:
        return "generated code has no forward-mode derivative"
    return None


def _plan(recurrence: Recurrence, backend: Backend) -> Plan | str:
    """Trace, split, lower and compile; or the reason why not."""
    module = recurrence.identity[0] if recurrence.identity else None
    if module is not None and any(_hooked(each) for each in module.modules()):
        return "hooks on a module of the step would run only once, while it is traced"
    first = index(recurrence.xs, 0)
    try:
        traced = trace(recurrence.step, recurrence.init, first)
        # All nodes: what is done in place has no user, and so belongs to no part.
        for node in traced.nodes:
            _check(node)
        fission = backend.divide(split_step(traced), _dtype(recurrence))
        kernel, parts = backend.compile(lower(fission), _dtype(recurrence)), stages(fission)
        backend.prepare(parts)
        plan = Plan(fission, parts, kernel, backend)
        run = partial(evaluate, plan)
        return disagreement(recurrence, plan.tensors, run, rounding(traced)) or plan
    except (TraceError, LowerError, EngineError) as error:
        return str(error)


def _hooked(module: torch.nn.Module) -> bool:
    return bool(
        module._forward_hooks
        or module._forward_pre_hooks
        or module._backward_hooks
        or module._backward_pre_hooks
    )


def _check(node: fx.Node) -> None:
    """Refuse what happens only once, or in another order, outside the loop."""
    if torch.Tag.nondeterministic_seeded in getattr(node.target, "tags", ()):
        raise LowerError(f"{node.target} draws random numbers inside the step; pass them in")
    schema = getattr(node.target, "_schema", None)
    if schema is not None and schema.is_mutable:
        raise LowerError(f"{schema.name} changes a tensor in place")


def _dtype(recurrence: Recurrence) -> torch.dtype:
    return leaves(recurrence.init)[0].dtype
