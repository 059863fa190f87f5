"""The fused engine: the core of a step as one generated loop, C++ on the CPU, Triton on CUDA.

What needs no loop is run by torch for all steps at once: the input part before, the output part
after, the gradients of matrices as one product.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any

import torch
from torch import Tensor, fx
from torch.utils import _pytree as pytree
from torch.utils.checkpoint import checkpoint

from ostinato.compiler.fission import Fission, Kind
from ostinato.compiler.fission import split as split_step
from ostinato.compiler.plan import PlanCache
from ostinato.compiler.stages import Stages, stages
from ostinato.compiler.trace import TraceError, trace
from ostinato.core.errors import EngineError
from ostinato.core.estimate import Estimate
from ostinato.core.recurrence import Recurrence
from ostinato.core.registry import Doubt, note
from ostinato.core.state import State, index, leaves, map_state, split
from ostinato.engines.autocast import autocast_inside
from ostinato.engines.fused import operator
from ostinato.engines.fused.backend import Backend, backend
from ostinato.engines.fused.gradient import Call, Fused, forward, rows_contiguous
from ostinato.engines.fused.layout import LowerError, from_rows, to_rows
from ostinato.engines.fused.loop import Loop
from ostinato.engines.fused.lower import lower
from ostinato.engines.fused.verify import disagreement, rounding
from ostinato.engines.rates import rates


@dataclass(frozen=True)
class Plan:
    """A step, ready to be run on any number of steps and rows.

    Attributes:
        fission: the split step.
        stages: its parts around the loop.
        kernel: its core, compiled.
        backend: what it was compiled for.
    """

    fission: Fission
    stages: Stages
    kernel: Loop
    backend: Backend

    @cached_property
    def flat(self) -> list[bool]:
        """For each leaf of x, whether a stage outside the kernel reads it."""
        fission, parts = self.fission, self.stages
        early = _placeholders(parts.inputs)
        late = _placeholders(parts.outputs)[len(fission.exports) :]
        used = {node for node, each in zip(fission.inputs, late, strict=False) if each.users}
        return [
            any(user.op != "output" for user in each.users) or node in used
            for node, each in zip(fission.trace.x, early, strict=False)
        ]

    @property
    def tensors(self) -> list[Tensor]:
        """What the step uses besides carry and input."""
        return list(self.fission.trace.constants.values())

    def run(self, recurrence: Recurrence, tensors: Sequence[Tensor]) -> tuple[State, Any]:
        """Evaluate in a graph that is being traced, with others in the place of `tensors`."""
        # The stages of the graph are torch's own operations throughout.
        plan = replace(self, stages=stages(self.fission, explicit=True))
        recurrence = recurrence.without_masks()
        with torch.autocast(self.backend.device, enabled=False):
            ready = _Traced(plan, recurrence.reverse, tensors)
            return _run(ready, recurrence.init, recurrence.xs)


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
            result = _evaluate(plan, recurrence.without_masks())
        # Only now is it known what was measured.
        rows = len(leaves(recurrence.init)[0])
        if form := plan.kernel.form(rows, recurrence.steps, torch.is_grad_enabled()):
            note(form)
        return result

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
        if device.type == "cuda" and device.index != torch.cuda.current_device():
            return f"the tensors lie on {device}, which is not the current device"
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


def _placeholders(stage: fx.GraphModule) -> list[fx.Node]:
    """What a stage is given, the number of rows aside."""
    return [node for node in stage.graph.nodes if node.op == "placeholder"][1:]


def _evaluate(plan: Plan, recurrence: Recurrence) -> tuple[State, Any]:
    """All steps, in one piece or in windows."""
    ready = _Ready(plan, recurrence.reverse)
    if not torch.is_grad_enabled():
        return _in_windows(ready, recurrence, _window(plan, recurrence), _run)
    if recurrence.checkpoint is None:
        return _run(ready, recurrence.init, recurrence.xs)
    return _in_windows(ready, recurrence, recurrence.checkpoint, _recomputed)


class _Ready:
    """A plan with the constants of one call."""

    def __init__(self, plan: Plan, reverse: bool, tensors: Sequence[Tensor] = ()) -> None:
        self.plan, self.reverse = plan, reverse
        self.constants = plan.stages.constants(*tensors)
        self.fixed = [value.to(plan.kernel.dtype) for value in self.constants]

    @cached_property
    def packed(self) -> Any:
        """The constants as kernels read them."""
        return self.plan.kernel.constants(self.fixed)

    def loop(self, steps: int, rows: int, tensors: list[Tensor]) -> list[Tensor]:
        """Last carry and exports."""
        core = _core_step(self.plan, rows)
        call = Call(self.plan.kernel, steps, rows, self.reverse, self.packed, core)
        if torch.is_grad_enabled() and any(tensor.requires_grad for tensor in tensors):
            return Fused.apply(call, *tensors)  # type: ignore
        last, exports, _ = forward(call, tuple(tensors), saving=False)
        return [*last, *exports]


class _Traced(_Ready):
    """The same with tensors that have no numbers yet."""

    def loop(self, steps: int, rows: int, tensors: list[Tensor]) -> list[Tensor]:
        """Last carry and exports, as an operation of torch."""
        return operator.loop(self.plan.kernel, steps, rows, self.reverse, tensors)


def _window(plan: Plan, recurrence: Recurrence) -> int:
    """Steps that are run together where nothing has to be kept for a gradient."""
    fission, core = plan.fission, plan.kernel.core
    fed = zip(fission.inputs, core.inputs, strict=True)
    width = sum(value.size for node, value in fed if node not in fission.trace.x)
    if not width:
        return recurrence.steps
    rows = next(leaf.shape[1] for leaf in leaves(recurrence.xs))
    return max(16, plan.backend.window // (rows * width * plan.kernel.dtype.itemsize))


def _in_windows(
    ready: _Ready, recurrence: Recurrence, steps: int, run: Callable[..., Any]
) -> tuple[State, Any]:
    """Window after window; outputs in the order of time."""
    order = -1 if recurrence.reverse else 1
    carry, windows = recurrence.init, list[Any]()
    for xs in split(recurrence.xs, steps)[::order]:
        carry, ys = run(ready, carry, xs)
        windows.append(ys)
    if len(windows) == 1:
        return carry, windows[0]
    return carry, map_state(lambda *parts: torch.cat(parts), *windows[::order])


def _recomputed(ready: _Ready, carry: State, xs: Any) -> Any:
    return checkpoint(_run, ready, carry, xs, use_reentrant=False)


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
        run = partial(_evaluate, plan)
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


def _run(ready: _Ready, carry: State, xs: Any) -> tuple[State, Any]:
    """Some steps: input part, loop, output part."""
    plan, kernel, constants = ready.plan, ready.plan.kernel, ready.constants
    steps, rows = leaves(xs)[0].shape[:2]
    fission, given = plan.fission, pytree.tree_leaves(xs)
    # To flatten may be to copy, and the kernel takes any strides.
    flat = [x.flatten(0, 1) if use else None for x, use in zip(given, plan.flat, strict=True)]
    fed = plan.stages.inputs(steps * rows, *flat, *constants)
    direct = dict(zip(fission.trace.x, given, strict=True))
    inputs = [
        direct[node] if node in direct else to_rows(value, node, steps, rows)
        for value, node in zip(fed, fission.inputs, strict=True)
    ]
    inputs = [rows_contiguous(each.to(kernel.dtype)) for each in inputs]
    init, structure = pytree.tree_flatten(carry)
    kept = [leaf.to(kernel.dtype).contiguous() for leaf in init]
    results = ready.loop(steps, rows, [*kept, *inputs, *ready.fixed])
    last = [leaf.to(given.dtype) for leaf, given in zip(results, init, strict=False)]
    exported = results[len(init) :]
    exports = [
        from_rows(value, node, steps * rows).to(node.meta["val"].dtype)
        for value, node in zip(exported, fission.exports, strict=True)
    ]
    ys = plan.stages.outputs(steps * rows, *exports, *fed, *constants)
    shaped = [None if y is None else y.unflatten(0, (steps, rows)) for y in ys]
    return (
        pytree.tree_unflatten(last, structure),
        pytree.tree_unflatten(shaped, fission.trace.output_spec),
    )


def _core_step(plan: Plan, rows: int) -> Any:
    """One step of the core in torch operations, on tensors (B, ...)."""
    fission = plan.fission

    def step(carry: list[Tensor], inputs: list[Tensor], constants: list[Tensor]) -> Any:
        fed = [
            from_rows(value, node, rows).to(node.meta["val"].dtype)
            for value, node in zip(inputs, fission.inputs, strict=True)
        ]
        fixed = [
            value.to(node.meta["val"].dtype)
            for value, node in zip(constants, fission.constants, strict=True)
        ]
        before = zip(carry, fission.trace.carry, strict=True)
        states = [leaf.to(node.meta["val"].dtype) for leaf, node in before]
        results = plan.stages.core(rows, *states, *fed, *fixed)
        new = [leaf.to(plan.kernel.dtype) for leaf in results[: len(carry)]]
        shaped = zip(results[len(carry) :], fission.exports, strict=True)
        return new, [to_rows(value.to(new[0].dtype), node, rows) for value, node in shaped]

    return step
