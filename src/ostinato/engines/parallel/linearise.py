"""A core near given carries, for all steps at once: its values there, and its Jacobian A.

A comes from forward-mode derivatives, one for each direction that the structure of the core leaves
to be told apart: units that do not depend on each other, heads, columns of a matrix or single
elements, are moved together. Of a core that is affine in its carry, the value at carry 0 is b.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ostinato.compiler.structure import Coupling, Pattern, Structure
from ostinato.engines.parallel.affine_map import Form, Matrices, Pointwise

# Directions along which the core is differentiated at once.
TOGETHER = 16
# Elements that depend on each other; an A of more columns costs more than it saves.
LARGEST = 64


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
    """Leaves of the carry that depend on each other, in units that do not.

    A leaf is heads × its elements of a unit × columns: heads lie one behind the other, the columns
    of a head side by side, as those of a matrix do. So elements that depend on nothing but
    themselves are heads of one element.

    Attributes:
        leaves: which.
        sizes: elements of each in a row.
        heads: units, or groups of columns, that do not depend on each other.
        columns: units of a head.
        alike: whether A is the same for all columns of a head.
    """

    leaves: tuple[int, ...]
    sizes: tuple[int, ...]
    heads: int = 1
    columns: int = 1
    alike: bool = False

    @property
    def block(self) -> int:
        """Elements of a unit, of all leaves together: S."""
        return sum(self.sizes) // (self.heads * self.columns)

    @property
    def dense(self) -> bool:
        """Whether elements depend on elements elsewhere in their leaf."""
        return self.block > len(self.leaves)

    @property
    def parted(self) -> bool:
        """Whether A is smaller than such elements would make it, were there no units."""
        return self.dense and self.heads * self.columns > 1

    @property
    def form(self) -> Form:
        """What A is."""
        return Matrices() if self.block > 1 else Pointwise()

    @property
    def passes(self) -> int:
        """How many derivatives have to be taken; alike columns are moved each its own way."""
        return -(-self.block // self.columns) if self.alike else self.block

    def __str__(self) -> str:
        units = f"{self.heads} × " if self.heads > 1 else ""
        shared = f", one for {'' if self.alike else 'each of '}{self.columns} columns"
        return f"A: {units}{self.block}×{self.block}{shared * (self.columns > 1)}"

    def gather(self, values: Sequence[Tensor]) -> Tensor:
        """These leaves (..., elements) of all as one state (..., units, S), or (..., units)."""
        parts = [
            values[i].unflatten(-1, (self.heads, -1, self.columns)).transpose(-1, -2)  # type: ignore[no-untyped-call]
            for i in self.leaves
        ]
        if len(parts) == 1 or self.dense:
            state = torch.cat(parts, -1) if len(parts) > 1 else parts[0]
        else:
            # One plane for each leaf: what the compiled loop reads best.
            state = torch.cat([part.movedim(-1, 0) for part in parts]).movedim(0, -1)
        return state.reshape(*state.shape[:-3], *self._axes(self.columns))

    def part(self, state: Tensor) -> tuple[Tensor, ...]:
        """The inverse of `gather`."""
        lead = state.shape[: state.dim() - len(self._axes(self.columns))]
        units = state.reshape(*lead, self.heads, self.columns, self.block)
        widths = [size // (self.heads * self.columns) for size in self.sizes]
        parts = units.split(widths, -1)  # type: ignore[no-untyped-call]
        return tuple(part.transpose(-1, -2).flatten(-3) for part in parts)

    def matrices(self, moved: Tensor) -> Tensor:
        """Columns of A, (..., units, S, columns of A), or (..., units, 1), side by side.

        Args:
            moved: derivatives along some `directions` (..., units, S or nothing, directions).
        """
        lead = moved.shape[: moved.dim() - 1 - len(self._axes(self.columns))]
        found = moved.reshape(*lead, self.heads, self.columns, self.block, -1)
        count = self.columns
        if self.alike:
            # Column c was moved along direction c of each pass.
            found, count = found.movedim(-3, -1).flatten(-2).unsqueeze(-3), 1
        return found.reshape(*lead, *self._axes(count), found.shape[-1])

    def directions(self, carry: Sequence[Tensor]) -> list[Tensor]:
        """The carries along which the core is differentiated, leaves (passes, rows, ...)."""
        found = [leaf.new_zeros(()).expand(self.passes, *leaf.shape) for leaf in carry]
        along = torch.arange(self.passes, device=carry[0].device)[:, None]
        if self.alike:
            along = self.columns * along + torch.arange(self.columns, device=along.device)
        units = torch.arange(self.block, device=along.device)[:, None] == along[:, None]
        units, begin = units.to(carry[0].dtype), 0
        for i, size in zip(self.leaves, self.sizes, strict=True):
            width = size // (self.heads * self.columns)
            moved = units[:, None, begin : begin + width]
            shape = (self.passes, self.heads, width, self.columns)
            moved = moved.expand(shape).reshape(self.passes, 1, *carry[i].shape[1:])
            found[i] = moved.expand(self.passes, *carry[i].shape)
            begin += width
        return found

    def _axes(self, columns: int) -> tuple[int, ...]:
        """The axes of a state; those of one unit only are left out."""
        single = self.block == 1
        units = (self.heads,) * (self.heads > 1 or single) + (columns,) * (self.columns > 1)
        return units if single else (*units, self.block)


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
            inside = [table[j][k] for j in leaves for k in leaves]
            found.append(_group(leaves, tuple(table[j][j].new for j in leaves), inside))
    return tuple(found)


def _group(leaves: tuple[int, ...], sizes: tuple[int, ...], inside: Sequence[Coupling]) -> Group:
    """Leaves with the finest units that all couplings among them keep apart."""
    kept = [each for each in inside if each.pattern is not Pattern.NONE]
    # Element by element, any units are apart whose leaves have one size.
    meeting = [each for each in kept if each.pattern is not Pattern.ELEMENTWISE]
    if not meeting:
        # Factors that are repeated for all columns are read faster than those that are shared.
        return Group(leaves, sizes, sizes[0])
    heads, columns = (math.gcd(*(getattr(e, n) for e in meeting)) for n in ("heads", "columns"))
    alike = columns > 1 and all(each.alike % columns == 0 for each in kept)
    return Group(leaves, sizes, heads, columns, alike)


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
    if group.alike:
        # The last derivatives may move more columns than A has, which nobody should keep.
        a = a[..., : group.block].contiguous()
    return (a[..., 0] if pointwise else a), new


def _columns(
    core: Core, carry: Sequence[Tensor], group: Group, steps: int, diagonal: bool
) -> Iterator[Tensor]:
    """The new carry (T, B, ...), then columns of A, or their elements on its diagonal, some at a
    time, (T, B, ..., columns).
    """
    count, first = len(carry), 0

    def push(*direction: Tensor) -> tuple[Tensor, Tensor]:
        found = _in_steps(core.push(carry, direction), steps)
        return group.gather(found[:count]), group.gather(found[count:])

    # The new carry is the same along all directions, which torch's types do not know of.
    together = torch.func.vmap(push, out_dims=(None, 0))  # type: ignore[arg-type]
    directions = [each.split(TOGETHER) for each in group.directions(carry)]  # type: ignore[no-untyped-call]
    for i, part in enumerate(zip(*directions, strict=True)):
        if len(part[0]) == 1:
            new, moved = push(*(each[0] for each in part))
            moved = moved[None]
        else:
            new, moved = together(*part)
        if not i:
            yield new
        columns = group.matrices(moved.movedim(0, -1))
        yield columns[..., first:, :].diagonal(0, -2, -1) if diagonal else columns
        first += columns.shape[-1]


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
