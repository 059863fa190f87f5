"""Products of rows with constant matrices: which columns together, and from where."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from ostinato.engines.fused import ir
from ostinato.engines.fused.device.blocks import is_whole, power_of_two
from ostinato.engines.fused.ir import Value
from ostinato.engines.fused.program import Program
from ostinato.engines.fused.schedule import View

# Elements of all matrices that stay on chip, in registers for the units that multiply exactly,
# in shared memory for the others, twice where numbers are taken apart. More come from the caches.
RESIDENT = {
    "ieee": 2**12, "tf32x3": 24 * 2**10, "tf32": 48 * 2**10, "bf16": 96 * 2**10, "fp16": 96 * 2**10,
}  # fmt: skip
# Rows of a matrix that are read together: more, and exact units run out of registers.
_STEP = {"ieee": 16, "tf32x3": 32, "tf32": 32, "bf16": 64, "fp16": 64}
# The shortest sum that the device's units take.
SHORTEST = 16

Segment = tuple[int, int]


@dataclass(frozen=True)
class Part:
    """A summand of a product.

    Attributes:
        value: what is multiplied.
        matrix: text that loads its part of the matrix, if that stays on chip; else None.
        size: elements that are summed.
    """

    value: Value
    matrix: str | None
    size: int


class Products:
    """The products among some values.

    Args:
        values: all that is computed.
        where: tells where a value lies.
        precision: "ieee", "tf32x3", "tf32", "bf16" or "fp16".

    Attributes:
        chunks: parts of matrices that are read one after the other in a step, so far.
    """

    def __init__(
        self, values: Sequence[Value], where: Callable[[Value], View], precision: str
    ) -> None:
        self.where, self.precision = where, precision
        self.chunks = 0
        self._segments: dict[Value, list[Segment]] = {}
        made = [value for value in values if value.op == "matmul"]
        matrices = {(v.args[1], v.attrs): v.args[1].size for v in made}
        self.elements = sum(matrices.values())
        self.resident = self.elements <= RESIDENT[precision]
        borders: dict[Value, set[int]] = {v: {0, v.size} for v in made}
        for value in values:
            if value.op == "slice":
                seen = where(value)
                if seen.root in borders:
                    borders[seen.root] |= {seen.offset, seen.offset + value.size}
        for value, found in borders.items():
            self._segments[value] = [(a, b - a) for a, b in pairwise(sorted(found))]

    def in_columns(self, value: Value) -> bool:
        """Whether a product is one of a whole row, which can be had column by column."""
        return value.size == value.shape[-1] and len(value.args[1].shape) == 2

    def segments(self, value: Value) -> list[Segment]:
        """Columns that are computed together: begin and number."""
        return self._segments[value] if self.in_columns(value) else []

    def parts(self, value: Value, segment: Segment) -> list[Part]:
        """The summands of some columns; one that is not on chip if the sum is streamed."""
        x = value.args[0]
        seen, pieces = self.where(x), [(x, 0)]
        root = seen.root
        if root.op == "concat" and is_whole(seen) and math.prod(root.shape[: root.attrs]) == 1:
            starts = [sum(p.size for p in root.args[:i]) for i in range(len(root.args))]
            pieces = list(zip(root.args, starts, strict=True))
        short = any(power_of_two(piece.size) < SHORTEST for piece, _ in pieces)
        if short or not self.resident:
            return [Part(x, None, x.size)]
        return [Part(p, self._matrix(value, start, p.size, segment), p.size) for p, start in pieces]

    def streamed(self, value: Value, segment: Segment) -> str:
        """Text of the product of rows in memory; {rows} stands for pointers to them."""
        along, across = distances(value)
        start, n = segment
        matrix = f"const_{value.args[1].attrs} + {start * across}"
        return self.call(matrix, along, across, value.args[0].shape[-1], n, power_of_two(n))

    def head(self, value: Value) -> str:
        """Text of the product of the rows of head `g`."""
        along, across = distances(value)
        k, n = value.args[0].shape[-1], value.shape[-1]
        apart = k * n if len(value.args[1].shape) == 3 else 0
        matrix = f"const_{value.args[1].attrs} + g * {apart}"
        return self.call(matrix, along, across, k, n, power_of_two(n))

    def call(self, matrix: str, along: int, across: int, k: int, n: int, columns: int) -> str:
        """Text of a product from memory, in a block of some columns."""
        step = max(SHORTEST, min(_STEP[self.precision], power_of_two(k)))
        self.chunks += -(-k // step)
        return (
            f"product({{rows}}, live, {matrix}, {along}, {across}, {k}, {n}, {columns}, "
            f"{step}, '{self.precision}', S)"
        )

    def _matrix(self, value: Value, start: int, k: int, segment: Segment) -> str:
        along, across = distances(value)
        column, n = segment
        rows = f"tl.arange(0, {power_of_two(k)})[:, None]"
        columns = f"tl.arange(0, {power_of_two(n)})[None, :]"
        offset = start * along + column * across
        return (
            f"tl.load(const_{value.args[1].attrs} + {offset} + {rows} * {along} + {columns} * "
            f"{across}, mask=({rows} < {k}) & ({columns} < {n}), other=0)"
        )


def only_factors(programs: Iterable[Program]) -> frozenset[int]:
    """The constants that programs do nothing with but multiply."""
    factors, others = set[object](), set[object]()
    for program in programs:
        for value in ir.reachable(program.roots, frozenset(program.read.values())):
            multiplies = value.op == "matmul"
            factors |= {value.args[1].attrs} if multiplies else set()
            read = value.args[:1] if multiplies else value.args
            others |= {arg.attrs for arg in read if arg.op == "const"}
    return frozenset(each for each in factors - others if isinstance(each, int))


def distances(value: Value) -> tuple[int, int]:
    """Distances of a matrix's elements along the sum and between results."""
    columns = value.args[1].shape[-1]
    return (1, columns) if value.attrs else (columns, 1)
