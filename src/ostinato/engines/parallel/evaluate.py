"""A step that was taken apart, run on all steps at once: input part, states, output part."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from torch import Tensor, fx
from torch.utils import _pytree as pytree

from ostinato.compiler.fission import Fission
from ostinato.compiler.stages import Stages
from ostinato.compiler.widen import wide
from ostinato.core.recurrence import Recurrence
from ostinato.core.sequence import zero_padding
from ostinato.core.state import State, leaves, map_state
from ostinato.engines.fused.layout import from_rows, to_rows
from ostinato.engines.parallel.full_precision import full_precision
from ostinato.engines.parallel.linearise import Core, Group
from ostinato.engines.parallel.system import System

if TYPE_CHECKING:
    # What generates code is loaded where there is a device.
    from ostinato.engines.fused.lower import Core as Lowered
    from ostinato.engines.parallel.device.newton import Kernels


@dataclass(frozen=True)
class Plan:
    """A step, ready to be run on any number of steps and rows.

    Attributes:
        fission: the split step.
        stages: its parts.
        tangent: the core and its derivative along one direction.
        groups: the leaves of the carry that depend on each other.
        affine: whether the new carry is an affine function of the old one.
        lowered: the core of each group in the language of generated code, if kernels for a device
            solve it.
        obstacle: why they do not, on a device.
        clipped: whether the step clips a gradient, which none of the parts does.
    """

    fission: Fission
    stages: Stages
    tangent: fx.GraphModule
    groups: tuple[Group, ...]
    affine: bool
    lowered: tuple[Lowered, ...] = ()
    obstacle: str | None = None
    clipped: bool = False

    @property
    def tensors(self) -> list[Tensor]:
        """What the step uses besides carry and input."""
        return list(self.fission.trace.constants.values())

    @property
    def block(self) -> int:
        """Elements of the largest unit of the state, which depend on each other."""
        return max(group.block for group in self.groups)

    def kernels(
        self, recurrence: Recurrence, fed: Sequence[Tensor], constants: Sequence[Tensor]
    ) -> tuple[Kernels, ...]:
        """The kernels of the groups for a call, if there are any."""
        if not self.lowered:
            return ()
        from ostinato.engines.parallel.device.newton import kernels

        return kernels(self.lowered, self.fission, recurrence, fed, constants, self.affine)


def evaluate(
    plan: Plan, recurrence: Recurrence, solve: Callable[[System], list[Tensor]]
) -> tuple[State, Any]:
    """The last carry and the outputs, leaves (T, ...).

    Args:
        plan: of the step.
        recurrence: the call.
        solve: finds the states.
    """
    fission, steps = plan.fission, recurrence.steps
    constants = plan.stages.constants()
    rows, xs = leaves(recurrence.xs)[0].shape[1], recurrence.xs
    if recurrence.valid is not None:
        xs = zero_padding(xs, recurrence.valid)
    flat_xs = [None if x is None else x.flatten(0, 1) for x in pytree.tree_leaves(xs)]
    fed = plan.stages.inputs(steps * rows, *flat_xs, *constants)

    def bind(given: Sequence[Tensor]) -> Core:
        return Core(
            run=lambda carry: plan.stages.core(steps * rows, *carry, *given),
            push=lambda carry, along: plan.tangent(*carry, *along, *given),
        )

    init, fresh = (map_state(wide, each) for each in (recurrence.init, recurrence.fresh))
    solved = replace(recurrence, init=init, fresh=fresh)
    wide_fed, wide_constants = list(map(wide, fed)), list(map(wide, constants))
    given = (*wide_fed, *wide_constants)

    def step(t: int, carry: Sequence[Tensor]) -> list[Tensor]:
        pairs = zip(fission.inputs, wide_fed, strict=True)
        here = [from_rows(to_rows(v, n, steps, rows)[t], n, rows) for n, v in pairs]
        return plan.stages.core(rows, *carry, *here, *wide_constants)[: len(carry)]  # type: ignore[no-any-return]

    core = bind(given)
    kernels = plan.kernels(solved, fed, constants)
    system = System(core, plan.groups, solved, kernels, given, bind, step)
    with full_precision(system.init[0]):
        states = solve(system)
    exports = _exports(fission, core, states, system.before(states))
    ys = plan.stages.outputs(steps * rows, *exports, *fed, *constants)
    shaped = [None if y is None else y.unflatten(0, (steps, rows)) for y in ys]
    end = 0 if recurrence.reverse else -1
    last = pytree.tree_unflatten([h[end] for h in states], pytree.tree_structure(init))
    return (
        map_state(lambda leaf, first: leaf.to(first.dtype), last, recurrence.init),
        pytree.tree_unflatten(shaped, fission.trace.output_spec),
    )


def _exports(
    fission: Fission, core: Core, states: Sequence[Tensor], before: Sequence[Tensor]
) -> list[Tensor]:
    """What the output stage reads of the core; it is run again only for more than the carry."""
    carry, new = fission.trace.carry, fission.trace.new_carry
    if all(node in new or node in carry for node in fission.exports):
        found = [
            (states[new.index(node)] if node in new else before[carry.index(node)]).flatten(0, 1)
            for node in fission.exports
        ]
    else:
        found = core.run([leaf.flatten(0, 1) for leaf in before])[len(new) :]
    pairs = zip(found, fission.exports, strict=True)
    return [value.to(node.meta["val"].dtype) for value, node in pairs]
