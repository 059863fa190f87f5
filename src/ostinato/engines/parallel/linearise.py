"""A core near given carries, for all steps at once: its values there, and its Jacobian A.

A comes from forward-mode derivatives, one for each direction that the structure of the core leaves
to be told apart: where leaves are coupled element by element, all elements of a leaf are moved
together. Of a core that is affine in its carry, the value at carry 0 is b.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ostinato.compiler.structure import Pattern, Structure
from ostinato.engines.parallel.affine_map import Form, Matrices, Pointwise

# Directions along which the core is differentiated at once.
_TOGETHER = 16


@dataclass(frozen=True)
class Method:
    """What takes the place of the Jacobian A.

    Attributes:
        pointwise: whether it is a number for each channel, whatever A is.
        factor: that number, if it is the same everywhere; None: that of A.
    """

    pointwise: bool = False
    factor: float | None = None


METHODS = {
    "full": Method(),
    "quasi": Method(pointwise=True),
    "picard": Method(pointwise=True, factor=1.0),
    "jacobi": Method(pointwise=True, factor=0.0),
}


@dataclass(frozen=True)
class Core:
    """The core as a function of carry leaves (rows, ...), with everything else fixed.

    Attributes:
        run: the new carry, and what else the core puts out.
        push: (carry, direction) -> the new carry, and its derivative along the direction.
    """

    run: Callable[[Sequence[Tensor]], list[Tensor]]
    push: Callable[[Sequence[Tensor], Sequence[Tensor]], list[Tensor]]


@dataclass(frozen=True)
class Group:
    """Leaves of the carry that depend on each other.

    Attributes:
        leaves: which.
        sizes: elements of each in a row.
        dense: whether elements depend on elements elsewhere.
    """

    leaves: tuple[int, ...]
    sizes: tuple[int, ...]
    dense: bool

    @property
    def form(self) -> Form:
        """What A is."""
        return Matrices() if self.dense or len(self.leaves) > 1 else Pointwise()

    @property
    def passes(self) -> int:
        """How many derivatives have to be taken."""
        return sum(self.sizes) if self.dense else len(self.leaves)

    def gather(self, values: Sequence[Tensor]) -> Tensor:
        """These leaves (..., *features) of all as one state, its coupled elements last."""
        flat = [values[i] for i in self.leaves]
        if self.dense:
            return torch.cat(flat, -1)
        # One plane for each leaf: what the compiled loop reads best.
        return torch.stack(flat).movedim(0, -1) if len(flat) > 1 else flat[0]

    def part(self, state: Tensor) -> tuple[Tensor, ...]:
        """The inverse of `gather`."""
        if self.dense:
            return state.split(self.sizes, -1)  # type: ignore[no-any-return, no-untyped-call]
        return state.unbind(-1) if len(self.leaves) > 1 else (state,)

    def directions(self, carry: Sequence[Tensor]) -> list[Tensor]:
        """The carries along which the core is differentiated, leaves (passes, rows, ...)."""
        found = [leaf.new_zeros(()).expand(self.passes, *leaf.shape) for leaf in carry]
        eye = torch.eye(self.passes, dtype=carry[0].dtype, device=carry[0].device)
        widths = self.sizes if self.dense else [1] * len(self.leaves)
        for i, size, part in zip(self.leaves, self.sizes, eye.split(widths, 1), strict=True):  # type: ignore[no-untyped-call]
            moved = part.expand(self.passes, size).reshape(self.passes, 1, *carry[i].shape[1:])
            found[i] = moved.expand(self.passes, *carry[i].shape)
        return found


def groups(structure: Structure) -> tuple[Group, ...]:
    """The leaves of a carry, sorted into those that depend on each other."""
    table = structure.couplings
    count = len(table)
    linked = [
        {j for j in range(count) if _coupled(structure, i, j) or _coupled(structure, j, i)} | {i}
        for i in range(count)
    ]
    found: list[Group] = []
    for i in range(count):
        if not any(i in group.leaves for group in found):
            leaves = tuple(sorted(_closure(i, linked)))
            dense = any(
                table[j][k].pattern not in (Pattern.NONE, Pattern.ELEMENTWISE)
                for j in leaves
                for k in leaves
            )
            found.append(Group(leaves, tuple(table[j][j].new for j in leaves), dense))
    return tuple(found)


def linearise(
    core: Core,
    carry: Sequence[Tensor],
    parts: Sequence[Group],
    steps: int,
    method: Method = METHODS["full"],
) -> list[tuple[Tensor, Tensor]]:
    """For each group A (T, B, ...) and the new carry (T, B, ...), as its form needs them.

    Args:
        core: the core.
        carry: leaves of the carry, with T·B rows.
        parts: the groups.
        steps: T.
        method: what takes the place of A; if it is pointwise, A is like the new carry.
    """
    if method.factor is not None:
        values = _in_steps(core.run(carry)[: len(carry)], steps)
        new = [group.gather(values) for group in parts]
        return [(torch.full_like(f, method.factor), f) for f in new]
    return [_linear(core, carry, group, steps, method.pointwise) for group in parts]


def _linear(
    core: Core, carry: Sequence[Tensor], group: Group, steps: int, diagonal: bool
) -> tuple[Tensor, Tensor]:
    """A, or its diagonal, and the new carry of one group."""
    pointwise = not group.form.axes
    new, *columns = _columns(core, carry, group, steps, diagonal and not pointwise)
    a = columns[0] if len(columns) == 1 else torch.cat(columns, -1)
    return (a[..., 0] if pointwise else a), new


def _columns(
    core: Core, carry: Sequence[Tensor], group: Group, steps: int, diagonal: bool
) -> Iterator[Tensor]:
    """The new carry (T, B, ...), then columns of A, or their elements on its diagonal, some at a
    time, (T, B, ..., columns).
    """
    count = len(carry)

    def push(*direction: Tensor) -> tuple[Tensor, Tensor]:
        found = _in_steps(core.push(carry, direction), steps)
        return group.gather(found[:count]), group.gather(found[count:])

    # The new carry is the same along all directions, which torch's types do not know of.
    together = torch.func.vmap(push, out_dims=(None, 0))  # type: ignore[arg-type]
    directions = [each.split(_TOGETHER) for each in group.directions(carry)]  # type: ignore[no-untyped-call]
    for i, part in enumerate(zip(*directions, strict=True)):
        if len(part[0]) == 1:
            new, column = push(*(each[0] for each in part))
            columns = column[None]
        else:
            new, columns = together(*part)
        if not i:
            yield new
        if diagonal:
            own = columns[..., i * _TOGETHER : (i + 1) * _TOGETHER]
            yield own.diagonal(0, 0, -1)
        else:
            yield columns.movedim(0, -1)


def _in_steps(leaves: Sequence[Tensor], steps: int) -> list[Tensor]:
    """(T·B, ...) as (T, B, elements)."""
    return [leaf.reshape(steps, len(leaf) // steps, -1) for leaf in leaves]


def _coupled(structure: Structure, i: int, j: int) -> bool:
    return structure.couplings[i][j].pattern is not Pattern.NONE


def _closure(start: int, linked: list[set[int]]) -> set[int]:
    found, pending = set[int](), [start]
    while pending:
        i = pending.pop()
        if i not in found:
            found.add(i)
            pending.extend(linked[i])
    return found
