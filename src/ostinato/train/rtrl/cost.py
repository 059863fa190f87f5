"""What learning forward in time costs, said before anything is learned."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import Tensor, nn

if TYPE_CHECKING:
    from ostinato.train.rtrl.methods import Plan


@dataclass(frozen=True)
class Followed:
    """What is kept of one parameter.

    Attributes:
        name: of the parameter.
        size: its numbers.
        numbers: what a row of the batch keeps of it.
    """

    name: str
    size: int
    numbers: int


@dataclass(frozen=True)
class Cost:
    """What a row of the batch keeps beside its state, and what a step adds; `print` it.

    Attributes:
        cell: the name of the cell.
        method: how sensitivities are carried on.
        followed: its parameters; one that several share stands with the first of them.
        numbers: of all of them together, and what belongs to none alone.
        flops: of carrying them one step on; beside it the step runs backwards `passes` times.
        passes: once for every number of the state in a part whose units mix.
        rows: of the inputs that were given.
        width: bytes of a number.
        form: by what they are carried on.
    """

    cell: str
    method: str
    followed: tuple[Followed, ...]
    numbers: int
    flops: int
    passes: int
    rows: int
    width: int
    form: str

    @property
    def memory(self) -> int:
        """Bytes of all rows; it does not grow with the steps."""
        return self.rows * self.numbers * self.width

    def __str__(self) -> str:
        longest = max((len(each.name) for each in self.followed), default=0)
        lines = [
            f"  {f.name:{longest}}  {f.size:>12,} parameters  {f.numbers:>14,} numbers a row"
            for f in self.followed
        ]
        total = (
            f"{self.numbers:,} numbers a row, {self.memory / 2**20:,.2f} MiB for {self.rows} rows, "
            f"whatever the steps; a step: {self.rows * self.flops / 1e6:,.2f} MFLOP beside "
            f"{self.passes} of the step backwards"
        )
        head = f"RTRL of {self.cell}, {self.method}, by {self.form}:"
        return "\n".join([head, *lines, total])


def cost_of(cell: nn.Module, method: str, plan: Plan, carry: Sequence[Tensor]) -> Cost:
    """Count what a plan keeps.

    Args:
        cell: whose parameters they are.
        method: its name.
        plan: how sensitivities are kept.
        carry: an example of the state, leaves (B, ...).
    """
    names = {id(p): name for name, p in cell.named_parameters()}
    sizes = {name: p.numel() for name, p in cell.named_parameters()}
    counted, flops, passes = dict[str, int](), 0, set[tuple[int, ...]]()
    shapes = plan.kept.shapes(carry)
    for owner, shape in zip(plan.kept.owners(), shapes, strict=True):
        if owner is None:
            continue
        for tensor in plan.origins[plan.found.found[owner].constant][:1]:
            name = names.get(id(tensor), "a tensor")
            counted[name] = counted.get(name, 0) + math.prod(shape)
        inside = shape[1] if len(shape) == 4 else 1  # K of (heads, K, n, D); of rank one there is s
        flops += 2 * math.prod(shape) * (inside + 1)
        passes.add(shape[:2] if len(shape) == 4 else ())
    followed = tuple(Followed(name, sizes.get(name, n), n) for name, n in counted.items())
    return Cost(
        cell=type(cell).__name__,
        method=method,
        followed=followed,
        numbers=sum(map(math.prod, shapes)),
        flops=flops,
        passes=sum(shape[1] if shape else 1 for shape in passes),
        rows=len(carry[0]),
        width=carry[0].element_size(),
        form=plan.form,
    )
