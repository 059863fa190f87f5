"""A planned step evaluated: what needs no carry for all steps at once, the core in its loop."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, fx
from torch.utils import _pytree as pytree
from torch.utils.checkpoint import checkpoint

from ostinato.compiler.fission import Fission
from ostinato.compiler.stages import Stages, stages
from ostinato.core.recurrence import Recurrence
from ostinato.core.state import State, leaves, map_state, split
from ostinato.engines.fused import operator
from ostinato.engines.fused.backend import Backend
from ostinato.engines.fused.gradient import Call, Fused, forward, rows_contiguous
from ostinato.engines.fused.layout import from_rows, to_rows
from ostinato.engines.fused.loop import Loop


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
            return run(ready, recurrence.init, recurrence.xs)


def evaluate(plan: Plan, recurrence: Recurrence) -> tuple[State, Any]:
    """All steps, in one piece or in windows."""
    ready = Ready(plan, recurrence.reverse)
    if not torch.is_grad_enabled():
        return _in_windows(ready, recurrence, _window(plan, recurrence), run)
    if recurrence.checkpoint is None:
        return run(ready, recurrence.init, recurrence.xs)
    return _in_windows(ready, recurrence, recurrence.checkpoint, _recomputed)


class Ready:
    """A plan with the constants of one call."""

    def __init__(self, plan: Plan, reverse: bool, tensors: Sequence[Tensor] = ()) -> None:
        self.plan, self.reverse = plan, reverse
        self.constants = plan.stages.constants(*tensors)
        self.fixed = [value.to(plan.kernel.dtype) for value in self.constants]

    @cached_property
    def packed(self) -> Any:
        """The constants as kernels read them."""
        return self.plan.kernel.constants(self.fixed)

    def core(self, rows: int) -> Any:
        """One step of the core in torch operations, on tensors (B, ...)."""
        return core_step(self.plan, rows)

    def before(self, xs: Any) -> tuple[Sequence[Any], list[Tensor]]:
        """The input part of steps xs (T, B, ...): its values, and what the loop reads of them."""
        plan, given = self.plan, pytree.tree_leaves(xs)
        steps, rows = given[0].shape[:2]
        # To flatten may be to copy, and the kernel takes any strides.
        flat = [x.flatten(0, 1) if use else None for x, use in zip(given, plan.flat, strict=True)]
        fed = plan.stages.inputs(steps * rows, *flat, *self.constants)
        direct = dict(zip(plan.fission.trace.x, given, strict=True))
        inputs = [
            direct[node] if node in direct else to_rows(value, node, steps, rows)
            for value, node in zip(fed, plan.fission.inputs, strict=True)
        ]
        return fed, [rows_contiguous(each.to(plan.kernel.dtype)) for each in inputs]

    def carried(
        self, carry: State, inputs: Sequence[Tensor], shape: tuple[int, int]
    ) -> tuple[State, list[Tensor]]:
        """The loop: the last carry, and what each step puts out of it (T, B, ...)."""
        init, structure = pytree.tree_flatten(carry)
        kept = [leaf.to(self.plan.kernel.dtype).contiguous() for leaf in init]
        results = self.loop(*shape, [*kept, *inputs, *self.fixed])
        last = [leaf.to(given.dtype) for leaf, given in zip(results, init, strict=False)]
        return pytree.tree_unflatten(last, structure), results[len(init) :]

    def behind(self, exported: Sequence[Tensor], fed: Sequence[Any], shape: tuple[int, int]) -> Any:
        """The output part: outputs (T, B, ...)."""
        fission, count = self.plan.fission, shape[0] * shape[1]
        exports = [
            from_rows(value, node, count).to(node.meta["val"].dtype)
            for value, node in zip(exported, fission.exports, strict=True)
        ]
        ys = self.plan.stages.outputs(count, *exports, *fed, *self.constants)
        shaped = [None if y is None else y.unflatten(0, shape) for y in ys]
        return pytree.tree_unflatten(shaped, fission.trace.output_spec)

    def loop(self, steps: int, rows: int, tensors: list[Tensor]) -> list[Tensor]:
        """Last carry and exports."""
        kernel, core = self.plan.kernel, self.core(rows)
        call = Call(kernel, steps, rows, self.reverse, self.packed, core)
        if torch.is_grad_enabled() and any(tensor.requires_grad for tensor in tensors):
            return Fused.apply(call, *tensors)  # type: ignore
        last, exports, _ = forward(call, tuple(tensors), saving=False)
        return [*last, *exports]


class _Traced(Ready):
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
    ready: Ready, recurrence: Recurrence, steps: int, run: Callable[..., Any]
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


def _recomputed(ready: Ready, carry: State, xs: Any) -> Any:
    return checkpoint(run, ready, carry, xs, use_reentrant=False)


def run(ready: Ready, carry: State, xs: Any) -> tuple[State, Any]:
    """Some steps: input part, loop, output part."""
    steps, rows = leaves(xs)[0].shape[:2]
    shape = steps, rows
    fed, inputs = ready.before(xs)
    last, exported = ready.carried(carry, inputs, shape)
    return last, ready.behind(exported, fed, shape)


def core_step(plan: Plan, rows: int) -> Any:
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


def _placeholders(stage: fx.GraphModule) -> list[fx.Node]:
    """What a stage is given, the number of rows aside."""
    return [node for node in stage.graph.nodes if node.op == "placeholder"][1:]
