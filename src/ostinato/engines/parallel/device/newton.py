"""Newton's method on a device, for cores in which no element of the state depends on another's.

Leaves of the carry that depend on each other are a group, whose states are held as
(S, T, B, elements), S leaves; every group has kernels of its own. Of cores that are affine in the
state one pass is the solution.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from ostinato.compiler.fission import Fission
from ostinato.core.recurrence import Recurrence
from ostinato.core.state import State
from ostinato.engines.fused import ir
from ostinato.engines.fused.device.blocks import power_of_two
from ostinato.engines.fused.device.body import CoupledError
from ostinato.engines.fused.device.module import functions
from ostinato.engines.fused.device.tiles import Tile
from ostinato.engines.fused.gradient import rows_contiguous
from ostinato.engines.fused.layout import LowerError, to_rows
from ostinato.engines.fused.lower import Core, lower
from ostinato.engines.parallel.affine_map import Matrices, Pointwise
from ostinato.engines.parallel.course import Course
from ostinato.engines.parallel.device import chunks, scan
from ostinato.engines.parallel.device.sweep import FIGURES, HEAD, Sweep
from ostinato.engines.parallel.linearise import Group


def lowered(fission: Fission, groups: Sequence[Group]) -> tuple[Core, ...]:
    """The core of each group in the language of generated code.

    Args:
        fission: the split step.
        groups: the leaves of its carry that depend on each other.

    Raises:
        LowerError: saying why kernels cannot solve it.
    """
    for group in groups:
        if group.dense:
            raise LowerError("elements of the state depend on elements elsewhere")
        if group.block > scan.LARGEST:
            raise LowerError(
                f"{group.block} leaves of the state depend on each other, and kernels hold "
                f"{scan.LARGEST}"
            )
    core = lower(fission)
    return tuple(_alone(core, group) for group in groups)


def _alone(core: Core, group: Group) -> Core:
    """The part of a core that one group needs, without exports.

    Raises:
        LowerError: if its elements meet.
    """
    carry, new = ([leaves[i] for i in group.leaves] for leaves in (core.carry, core.new_carry))
    used = set(ir.reachable(new))
    inputs, constants = ([v for v in each if v in used] for each in (core.inputs, core.constants))
    found = Core(tuple(carry), tuple(inputs), tuple(constants), tuple(new), ())
    try:
        made = [Sweep(found, "float32", backward, True, ()) for backward in (False, True)]
        coupled = any(each.body.missing for each in made)
    except CoupledError:
        coupled = True
    if coupled:
        raise LowerError("elements of the state meet in an operation")
    return found


@dataclass(frozen=True)
class Kernels:
    """The kernels of a group of leaves with what a call gives them.

    Attributes:
        core: of the group.
        recurrence: the call.
        inputs: of all groups, (T, B, ...), rows contiguous, of any type of numbers.
        constants: of all groups, of the dtype of the state, contiguous.
        affine: whether the core is affine in its carry.
    """

    core: Core
    recurrence: Recurrence
    inputs: list[Tensor]
    constants: list[Tensor]
    affine: bool = False

    @property
    def leaves(self) -> list[int]:
        """Which leaves of the carry they are."""
        return [leaf.attrs for leaf in self.core.carry]

    @cached_property
    def init(self) -> Tensor:
        """The first carry (S, B, elements)."""
        return self._rows(self.recurrence.init)

    @cached_property
    def masks(self) -> dict[str, Tensor]:
        """(T, B), where A is the identity, and where nothing is carried over."""
        valid, restart = self.recurrence.valid, self.recurrence.restart
        found = {} if valid is None else {"identity": ~valid}
        return found if restart is None else found | {"cut": restart}

    @cached_property
    def size(self) -> int:
        """Steps of each part of the time."""
        count, rows, elements = self.init.shape
        given = ((value, self.inputs[value.attrs]) for value in self.core.inputs)
        inputs = sum(value.size * each.element_size() for value, each in given) // elements
        states = count * self.init.element_size()
        return chunks.chunk(self.recurrence.steps, rows * elements, inputs + states, states)

    @cached_property
    def tile(self) -> Tile:
        """Rows and elements of a program."""
        _, rows, elements = self.init.shape
        units = min(scan.LANES, power_of_two(elements))
        height = min(scan.LANES // units, power_of_two(rows))
        return Tile(height, units, max(1, height * units // 32))

    @property
    def grid(self) -> tuple[int, int, int]:
        """How many programs along rows, elements and parts."""
        _, rows, elements = self.init.shape
        return (*self.tile.grid(rows, elements), -(-self.recurrence.steps // self.size))

    def __str__(self) -> str:
        where = scan.in_words(self.recurrence.steps, self.size)
        return f"{'A, b' if self.affine else 'f, J'} and the scan in {where}"

    def solve(self) -> Tensor:
        """The states (S, T, B, elements) of a core that is affine in its carry."""
        count, *shape = self.init.shape
        new = self.init.new_empty(count, self.recurrence.steps, *shape)
        self._passes(False, {"new": new} | self._fresh(), {})
        return new

    def iterate(self, states: Tensor, guess: Tensor, bound: float) -> tuple[Tensor, Tensor]:
        """The next iterate, and the figures of this one (3, B).

        Args:
            states: the iterate.
            guess: what states that were led astray begin again from.
            bound: of what a solved step may be off its equation, relative to its states.
        """
        new = torch.empty_like(states)
        given = {"current": states, "new": new, "guess": guess, "init": self.init}
        given |= self._fresh()
        programs = math.prod(self.grid[1:])
        figures = states.new_empty((programs, len(FIGURES), states.shape[2]))
        self._passes(False, given, {"figures": figures, "bound": bound})
        return new, figures.amax(0)

    def _fresh(self) -> dict[str, Tensor]:
        """What carries are put back to, if they are."""
        if self.recurrence.restart is None:
            return {}
        return {"fresh": self._rows(self.recurrence.fresh)}

    def gather(self, leaves: Sequence[Tensor]) -> Tensor:
        """Of all leaves (T, B, ...) its own, as (S, T, B, elements)."""
        own = [leaves[i].detach() for i in self.leaves]
        return torch.stack([leaf.reshape(*leaf.shape[:2], -1) for leaf in own])

    def part(self, states: Tensor) -> dict[int, Tensor]:
        """The inverse of `gather`, by the numbers of leaves."""
        init = pytree.tree_leaves(self.recurrence.init)
        pairs = zip(self.leaves, states, strict=True)
        return {i: h.reshape(len(h), *init[i].shape) for i, h in pairs}

    def _rows(self, state: State) -> Tensor:
        """Its leaves (B, ...) as (S, B, elements)."""
        leaves = pytree.tree_leaves(state)
        return torch.stack([leaves[i].detach().reshape(len(leaves[i]), -1) for i in self.leaves])

    def back(self, before: Tensor, grads: Tensor) -> Tensor:
        """λ, the gradient of f at all steps.

        Args:
            before: the carries that the steps find.
            grads: the gradient of the states after them.
        """
        flow = torch.empty_like(grads)
        self._passes(True, {"before": before, "grad": grads, "flow": flow}, {})
        return flow

    def _passes(self, backward: bool, given: dict[str, Tensor], watch: dict[str, Any]) -> None:
        """All parts, from the states before them, which another pass finds."""
        first = torch.zeros_like(self.init) if backward else self.init
        starts, parts = first[:, None], self.grid[-1]
        if parts > 1:
            count, *shape = first.shape
            product = first.new_empty(count * count, parts, *shape)
            last, starts = (first.new_empty(count, parts, *shape) for _ in range(2))
            self._launch(backward, given | {"product": product, "last": last}, {})
            starts[:, 0] = first
            self._join(backward, product, last, starts)
        self._launch(backward, given | {"start": starts}, watch)

    def _join(self, backward: bool, product: Tensor, last: Tensor, starts: Tensor) -> None:
        """The states before the parts, by one recurrence over all but the last."""
        count, form = len(last), Pointwise() if len(last) == 1 else Matrices()
        course = Course(form, self.recurrence.reverse is not backward, cut=self.masks.get("cut"))
        cut = None if course.cut is None else scan.any_cut(course, self.size)[:-1]
        a = product.view(count, count, *product.shape[1:]).movedim((0, 1), (-2, -1))
        b, h = last.movedim(0, -1), starts.movedim(0, -1)
        if count == 1:
            a, b, h = a[..., 0, 0], b[..., 0], h[..., 0]
        scan.run(Course(form, cut=cut), a[:-1], b[:-1], h[0], h[1:])

    def _launch(self, backward: bool, given: dict[str, Tensor], watch: dict[str, Any]) -> None:
        recurrence, real = self.recurrence, scan.REALS[self.init.dtype]
        sweep, function = made(
            self.core, real, backward, "last" in given, tuple(self.masks), self.affine
        )
        given = given | {name: mask.view(torch.uint8)[None] for name, mask in self.masks.items()}
        given |= {f"input_{v.attrs}": self.inputs[v.attrs][None] for v in self.core.inputs}
        arguments: dict[str, Any] = {"T": recurrence.steps, "C": self.size, **watch}
        arguments |= {f"const_{v.attrs}": self.constants[v.attrs] for v in self.core.constants}
        arguments["rows"] = self.init.shape[1]
        for port in (*sweep.steps, *sweep.ends):
            downwards = port in sweep.steps and recurrence.reverse is not backward
            arguments |= _port(port, given[port], downwards)
        for port in sweep.rows:
            arguments |= _port(port, given[port][:, None], False)
        with scan.on(self.init):
            function[self.grid](
                *(arguments[name] for name in sweep.arguments),
                R=self.tile.rows,
                U=self.tile.units,
                num_warps=self.tile.warps,
                num_stages=1,
            )


@cache
def made(
    core: Core,
    real: str,
    backward: bool,
    summary: bool,
    masks: tuple[str, ...],
    affine: bool = False,
) -> tuple[Sweep, Any]:
    """A kernel and its function, which Triton compiles when it is first called."""
    sweep = Sweep(core, real, backward, summary, masks, affine)
    return sweep, functions(HEAD + "\n\n" + sweep.text, [sweep.name])[sweep.name]


def kernels(
    cores: Sequence[Core],
    fission: Fission,
    recurrence: Recurrence,
    fed: Sequence[Tensor],
    constants: Sequence[Tensor],
    affine: bool,
) -> tuple[Kernels, ...]:
    """The kernels of all groups for a call.

    Args:
        cores: of the groups.
        fission: the step that they come from.
        recurrence: the call.
        fed: values of `Fission.inputs`, for T·B rows.
        constants: values of `Fission.constants`.
        affine: whether the core is affine in its carry.
    """
    state = pytree.tree_leaves(recurrence.init)[0]
    batch = (recurrence.steps, len(state))
    inputs = [
        rows_contiguous(_numbers(to_rows(value.detach(), node, *batch), state.dtype))
        for value, node in zip(fed, fission.inputs, strict=True)
    ]
    held = [value.detach().to(state.dtype).contiguous() for value in constants]
    return tuple(Kernels(core, recurrence, inputs, held, affine) for core in cores)


def flow(
    kernels: Sequence[Kernels], before: Sequence[Tensor], grads: Sequence[Tensor]
) -> list[Tensor]:
    """λ, the gradient of f at all steps, leaves (T, B, ...).

    Args:
        kernels: of all groups.
        before: the carries that the steps find, leaves.
        grads: the gradients of the states after them.
    """
    return together(kernels, [k.back(k.gather(before), k.gather(grads)) for k in kernels])


def together(kernels: Sequence[Kernels], states: Sequence[Tensor]) -> list[Tensor]:
    """The states of all groups as leaves (T, B, ...)."""
    found: dict[int, Tensor] = {}
    for each, part in zip(kernels, states, strict=True):
        found |= each.part(part)
    return [found[i] for i in sorted(found)]


def described(kernels: Sequence[Kernels]) -> str:
    """What they do, in words."""
    return "; ".join(dict.fromkeys(map(str, kernels)))


def _numbers(value: Tensor, dtype: torch.dtype) -> Tensor:
    """Truth values and whole numbers in a type that kernels read."""
    return value if value.is_floating_point() else value.to(dtype)


def _port(name: str, tensor: Tensor, reverse: bool) -> dict[str, Any]:
    """What a kernel is told of (S, T, B, ...), from the step that is run first."""
    plane, time, row = tensor.stride()[:3]
    return {
        name: tensor[:, -1] if reverse else tensor,
        f"{name}_time": -time if reverse else time,
        f"{name}_row": row,
        f"{name}_plane": plane,
    }
