"""All steps of a call as one system of equations, h_t = f_t(h_{t−1}), masks included.

Where a row is not valid f_t is the identity; after a restart f_t does not read h_{t−1}.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from ostinato.core.recurrence import Recurrence
from ostinato.core.state import leaves, map_state, rows_like
from ostinato.engines.parallel.affine import steer
from ostinato.engines.parallel.affine_map import Form, Pointwise
from ostinato.engines.parallel.course import Course
from ostinato.engines.parallel.linearise import LARGEST, METHODS, Core, Group, Method, linearise
from ostinato.engines.parallel.recurrence import described, recur, transformed
from ostinato.engines.parallel.stepwise import Step

if TYPE_CHECKING:
    # What generates code is loaded where there is a device.
    from ostinato.engines.parallel.device.newton import Kernels

Maps = Sequence[tuple[Tensor, Tensor]]
"""For each group A and b, (T, B, ...)."""


@dataclass(frozen=True)
class System:
    """The equations of a call; states are lists of leaves (T, B, ...) in the order of time.

    Attributes:
        core: all steps of the core, on carries that are given.
        groups: the leaves of the carry that depend on each other.
        recurrence: first state, direction and masks.
        kernels: generated code that finds the states, of each group, where there is some.
        given: what the core reads besides its carry.
        bind: the core that reads other tensors instead.
        step: a single step of the core.
    """

    core: Core
    groups: tuple[Group, ...]
    recurrence: Recurrence
    kernels: tuple[Kernels, ...] = ()
    given: tuple[Tensor, ...] = ()
    bind: Callable[[Sequence[Tensor]], Core] | None = None
    step: Step | None = None

    @property
    def holds_matrices(self) -> bool:
        """Whether no unit is too large for the matrix A of all its elements."""
        return all(group.block <= LARGEST for group in self.groups)

    @property
    def init(self) -> list[Tensor]:
        """The leaves of the carry before the first step."""
        return pytree.tree_leaves(self.recurrence.init)

    def reading(self, tensors: Sequence[Tensor]) -> System:
        """The same equations of other tensors, in the order of `read`."""
        recurrence, rest = self.recurrence, iter(tensors)
        assert self.bind is not None
        init, fresh = (
            map_state(lambda leaf: next(rest), each) for each in (recurrence.init, recurrence.fresh)
        )
        given = tuple(rest)
        recurrence = replace(recurrence, init=init, fresh=fresh)
        return replace(self, core=self.bind(given), recurrence=recurrence, given=given)

    @property
    def read(self) -> list[Tensor]:
        """All that states depend on: leaves of the first and of the fresh carry, and `given`."""
        return [*leaves(self.recurrence.init), *leaves(self.recurrence.fresh), *self.given]

    def before(self, states: Sequence[Tensor]) -> list[Tensor]:
        """The leaves of the carry as every step finds them."""
        recurrence, found = self.recurrence, []
        for h, init in zip(states, self.init, strict=True):
            parts = [h[1:], init[None]] if recurrence.reverse else [init[None], h[:-1]]
            found.append(torch.cat(parts))
        if recurrence.restart is None:
            return found
        return [
            torch.where(rows_like(recurrence.restart, h), fresh, h)
            for h, fresh in zip(found, pytree.tree_leaves(recurrence.fresh), strict=True)
        ]

    def values(self, carry: Sequence[Tensor]) -> list[Tensor]:
        """The core on carries (T, B, ...), without masks."""
        new = self.core.run([leaf.flatten(0, 1) for leaf in carry])[: len(carry)]
        return [h.view_as(leaf) for h, leaf in zip(new, carry, strict=True)]

    def held(self, values: Sequence[Tensor], before: Sequence[Tensor]) -> list[Tensor]:
        """Values of the core, and the carries that the steps find where rows are not valid."""
        valid = self.recurrence.valid
        if valid is None:
            return list(values)
        pairs = zip(values, before, strict=True)
        return [torch.where(rows_like(valid, f), f, h) for f, h in pairs]

    def linearise(self, carry: Sequence[Tensor], method: Method = METHODS["full"]) -> Maps:
        """For each group the Jacobian, or its stand-in, and the values on carries (T, B, ...)."""
        flat = [leaf.flatten(0, 1) for leaf in carry]
        return linearise(self.core, flat, self.groups, self.recurrence.steps, method)

    def gather(self, leaves: Sequence[Tensor]) -> list[Tensor]:
        """Leaves (T, B, ...) as the states of groups."""
        flat = [leaf.flatten(2) if leaf.dim() > 2 else leaf[..., None] for leaf in leaves]
        return [group.gather(flat) for group in self.groups]

    def courses(
        self, maps: Maps, method: Method = METHODS["full"]
    ) -> list[tuple[Course, Tensor, Tensor, Tensor]]:
        """For each group course, A, b and first state of its affine recurrence."""
        recurrence, found = self.recurrence, []
        masks = (recurrence.valid, recurrence.restart)
        start, fresh = _rows(self.init), _rows(pytree.tree_leaves(recurrence.fresh))
        for group, (a, b) in zip(self.groups, maps, strict=True):
            form: Form = Pointwise() if method.pointwise else group.form
            back_to = None if recurrence.restart is None else group.gather(fresh)
            course, b = steer(form, recurrence.reverse, a, b, back_to, *masks)
            found.append((course, a, b, group.gather(start)))
        return found

    def solve(self, maps: Maps, method: Method = METHODS["full"]) -> list[Tensor]:
        """The states of the affine recurrences."""
        return self.part([recur(*each) for each in self.courses(maps, method)])

    def part(self, states: Sequence[Tensor]) -> list[Tensor]:
        """The inverse of `gather`."""
        found = list(self.init)
        for group, h in zip(self.groups, states, strict=True):
            for i, part in zip(group.leaves, group.part(h), strict=True):
                found[i] = part.reshape(len(h), *self.init[i].shape)
        return found


def affine_states(system: System, tell: Callable[[str], None] | None = None) -> list[Tensor]:
    """The states of a core that is affine in its carry.

    Args:
        system: the equations.
        tell: is told in words how they are solved.
    """
    if system.kernels and not transformed():
        from ostinato.engines.parallel.device.affine import states_of_kernels
        from ostinato.engines.parallel.device.newton import described as in_words

        found = states_of_kernels(system)
        if tell is not None:
            tell(in_words(system.kernels))
        return found
    steps = system.recurrence.steps
    maps = system.linearise([h.new_zeros(steps, *h.shape) for h in system.init])
    courses = system.courses(maps)
    found = system.part([recur(*each) for each in courses])
    # Only now is it known what was measured.
    if tell is not None:
        for said in dict.fromkeys(described(course.form, a, b) for course, a, b, _ in courses):
            tell(said)
    return found


def _rows(leaves: Sequence[Tensor]) -> list[Tensor]:
    """Leaves (B, ...) as (B, elements)."""
    return [leaf.reshape(len(leaf), -1) for leaf in leaves if leaf is not None]
