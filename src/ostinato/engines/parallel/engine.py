"""The parallel engine: a core that is affine in its carry, solved for all steps together.

    h_t = A(x_t) h_{t−1} + b(x_t)

A and b are found for all steps at once, one scan gives all states, and what the step puts out is
computed from them, again at once. The gradient is exact: all of this is differentiable.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from ostinato.compiler.fission import Fission, split
from ostinato.compiler.plan import PlanCache
from ostinato.compiler.stages import Stages, stages
from ostinato.compiler.structure import structure
from ostinato.compiler.trace import TraceError, trace
from ostinato.core.errors import OstinatoError
from ostinato.core.recurrence import Recurrence
from ostinato.core.registry import Doubt
from ostinato.core.sequence import zero_padding
from ostinato.core.state import State, index, leaves, rows_like
from ostinato.engines.fused.verify import disagreement
from ostinato.engines.parallel.affine import steer
from ostinato.engines.parallel.linearise import Group, groups, linearise
from ostinato.engines.parallel.recurrence import recur

# Derivatives of the core that are taken; a dense A of more columns costs more than it saves.
_PASSES = 64


@dataclass(frozen=True)
class Plan:
    """A step, ready to be run on any number of steps and rows.

    Attributes:
        fission: the split step.
        stages: its parts.
        groups: the leaves of the carry that depend on each other.
    """

    fission: Fission
    stages: Stages
    groups: tuple[Group, ...]


class Parallel:
    """Solve for all steps together."""

    name = "parallel"
    summary = "scan over all steps together, for a core that is affine in the state"
    rank = 3

    def __init__(self) -> None:
        self._plans: PlanCache[Plan | str] = PlanCache(_plan)

    def decline(self, recurrence: Recurrence) -> str | None:
        """Why the recurrence cannot be solved as a whole, or None."""
        reason = _unsupported(recurrence)
        if reason is not None:
            return reason
        plan = self._plans.get(_plain(recurrence))
        return plan if isinstance(plan, str) else None

    def hesitate(self, recurrence: Recurrence) -> Doubt | None:
        """A step of unknown identity has to be traced at every call."""
        if recurrence.identity is None and recurrence.steps < 1000:
            reason = "a plain function is traced anew at every call, which pays for long sequences"
            return Doubt(reason, -2)
        return None

    def run(self, recurrence: Recurrence) -> tuple[State, Any]:
        """The last carry and the outputs, leaves (T, ...)."""
        plan = self._plans.get(_plain(recurrence))
        assert isinstance(plan, Plan)
        return _evaluate(plan, recurrence)


def _plain(recurrence: Recurrence) -> Recurrence:
    """Without masks, which steer the scan and not the step."""
    return replace(recurrence, valid=None, restart=None, fresh=None)


def _unsupported(recurrence: Recurrence) -> str | None:
    """What about the call, not the step, stands in the way."""
    states = leaves(recurrence.init)
    if recurrence.checkpoint is not None:
        return "the states of all steps are found together, so that none can be left out"
    if not states or not all(leaf.is_floating_point() for leaf in states):
        return "the state must be of real numbers"
    if len({leaf.dtype for leaf in states}) != 1 or states[0].dtype.itemsize < 4:
        return "the state must be float32 throughout, or float64 throughout"
    rows = {leaf.shape[0] for leaf in states if leaf.dim()} | {
        leaf.shape[1] for leaf in leaves(recurrence.xs) if leaf.dim() > 1
    }
    if any(leaf.dim() == 0 for leaf in states) or len(rows) != 1:
        return "the state and the inputs have no common batch axis"
    if recurrence.steps == 0 or rows == {0}:
        return "there are no steps, or no rows"
    if torch.is_autocast_enabled(states[0].device.type):
        return "under autocast the precision changes inside the step"
    if torch._C._functorch.peek_interpreter_stack() is not None:
        return "torch.func transforms need a step of torch operations"
    if torch.autograd.forward_ad._current_level >= 0:
        return "forward mode is used up by the derivatives of the step"
    return None


def _plan(recurrence: Recurrence) -> Plan | str:
    """Trace, split, find the structure; or the reason why not."""
    module = recurrence.identity[0] if recurrence.identity else None
    if module is not None and any(map(_hooked, module.modules())):
        return "hooks on a module of the step would run only once, while it is traced"
    try:
        traced = trace(recurrence.step, recurrence.init, index(recurrence.xs, 0))
    except TraceError as error:
        return str(error)
    for node in traced.nodes:
        if torch.Tag.nondeterministic_seeded in getattr(node.target, "tags", ()):
            return f"{node.target} draws random numbers inside the step; pass them in"
    fission = split(traced)
    found = structure(fission)
    if not found.affine:
        reason = f" ({found.findings[0]})" if found.findings else ""
        return f"the new state is no affine function of the old one{reason}"
    plan = Plan(fission, stages(fission), groups(found))
    passes = max(group.passes for group in plan.groups)
    if passes > _PASSES:
        return f"{passes} elements of the state depend on each other; up to {_PASSES} are solved"
    tensors = list(traced.constants.values())
    try:
        return disagreement(recurrence, tensors, lambda part: _evaluate(plan, part)) or plan
    except (RuntimeError, OstinatoError) as error:
        return f"it cannot be linearised: {str(error).splitlines()[0]}"


def _hooked(module: nn.Module) -> bool:
    hooks = (module._forward_hooks, module._forward_pre_hooks)
    return any((*hooks, module._backward_hooks, module._backward_pre_hooks))


def _evaluate(plan: Plan, recurrence: Recurrence) -> tuple[State, Any]:
    """Input part, linearisation, scan, output part."""
    fission, steps = plan.fission, recurrence.steps
    constants = plan.stages.constants()
    rows, xs = leaves(recurrence.xs)[0].shape[1], recurrence.xs
    if recurrence.valid is not None:
        xs = zero_padding(xs, recurrence.valid)
    flat_xs = [None if x is None else x.flatten(0, 1) for x in pytree.tree_leaves(xs)]
    fed = plan.stages.inputs(steps * rows, *flat_xs, *constants)

    def core(carry: Sequence[Tensor]) -> list[Tensor]:
        return list(plan.stages.core(steps * rows, *carry, *fed, *constants))

    spec = pytree.tree_structure(recurrence.init)
    states = _states(plan, core, recurrence)
    before = _before(recurrence, states)
    exports = _exports(fission, core, states, before)
    ys = plan.stages.outputs(steps * rows, *exports, *fed, *constants)
    shaped = [None if y is None else y.unflatten(0, (steps, rows)) for y in ys]
    end = 0 if recurrence.reverse else -1
    return (
        pytree.tree_unflatten([h[end] for h in states], spec),
        pytree.tree_unflatten(shaped, fission.trace.output_spec),
    )


def _states(plan: Plan, core: Any, recurrence: Recurrence) -> list[Tensor]:
    """Every leaf of the carry after every step, (T, B, ...)."""
    steps, init = recurrence.steps, pytree.tree_leaves(recurrence.init)
    like = [leaf.new_zeros(steps * leaf.shape[0], *leaf.shape[1:]) for leaf in init]
    maps = linearise(lambda carry: core(carry)[: len(init)], like, plan.groups, steps)
    start, fresh = _rows(init), _rows(pytree.tree_leaves(recurrence.fresh))
    masks = (recurrence.valid, recurrence.restart)
    found = list(init)
    for group, (a, b) in zip(plan.groups, maps, strict=True):
        back_to = None if recurrence.restart is None else group.gather(fresh)
        course, steered = steer(group.form, recurrence.reverse, a, b, back_to, *masks)
        h = recur(course, a, steered, group.gather(start))
        for i, part in zip(group.leaves, group.part(h), strict=True):
            found[i] = part.reshape(steps, *init[i].shape)
    return found


def _rows(leaves: Sequence[Tensor]) -> list[Tensor]:
    """Leaves (B, ...) as (B, elements)."""
    return [leaf.reshape(len(leaf), -1) for leaf in leaves if leaf is not None]


def _before(recurrence: Recurrence, states: Sequence[Tensor]) -> list[Tensor]:
    """The leaves of the carry as every step finds them."""
    found = []
    for h, init in zip(states, pytree.tree_leaves(recurrence.init), strict=True):
        parts = [h[1:], init[None]] if recurrence.reverse else [init[None], h[:-1]]
        found.append(torch.cat(parts))
    if recurrence.restart is None:
        return found
    return [
        torch.where(rows_like(recurrence.restart, h), fresh, h)
        for h, fresh in zip(found, pytree.tree_leaves(recurrence.fresh), strict=True)
    ]


def _exports(
    fission: Fission, core: Any, states: Sequence[Tensor], before: Sequence[Tensor]
) -> list[Tensor]:
    """What the output stage reads of the core; it is run again only for more than the carry."""
    carry, new = fission.trace.carry, fission.trace.new_carry
    if all(node in new or node in carry for node in fission.exports):
        return [
            (states[new.index(node)] if node in new else before[carry.index(node)]).flatten(0, 1)
            for node in fission.exports
        ]
    return core([leaf.flatten(0, 1) for leaf in before])[len(new) :]  # type: ignore[no-any-return]
