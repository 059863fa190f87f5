"""The step of one head for each program: heads see their own elements only.

What does not multiply is as where no element depends on another. The products of a head are on
chip, or its factors go through memory of the program's own.
"""

from __future__ import annotations

from collections.abc import Sequence

from ostinato.engines.fused.device.blocks import Block, is_whole, power_of_two
from ostinato.engines.fused.device.body import Body, CoupledError, Piece
from ostinato.engines.fused.device.multiply import RESIDENT, SHORTEST, distances
from ostinato.engines.fused.ir import Value
from ostinato.engines.fused.program import Program


class HeadBody(Body):
    """Writes the step of a head.

    Args:
        heads: K.
        program: the program.
        states: leaves that the loop carries, each with its value after the step.
        real: the type of numbers.
        precision: of products.
        elements: of every value, those of all heads.
    """

    def __init__(
        self,
        heads: int,
        program: Program,
        states: dict[Value, Value],
        real: str,
        precision: str,
        elements: int,
    ) -> None:
        self.heads, self.size = heads, elements // heads
        self.units = max(SHORTEST, power_of_two(self.size))
        self._slots: dict[Value, int] = {}
        super().__init__(program, states, real, precision, elements, {})

    def within(self, n: int) -> str:
        """Which columns of a block there are."""
        self.j(n)
        return "" if n == 1 or self.size == self.units else f"(u < {self.size})"

    def _multiply(self, value: Value) -> None:
        matrix = value.args[1].shape
        if len(matrix) != 3 or matrix[0] != self.heads or value.shape[-1] % self.size:
            raise CoupledError

    def _part(
        self, value: Value, offset: int, sizes: Sequence[int], strides: tuple[int, ...]
    ) -> Block | None:
        n = value.shape[-1]
        by_head = list(sizes) == [self.heads, self.size] and strides == (n, 1)
        # Axes of one head, or of heads whose product is no wider than they are, are joined.
        joined = list(sizes) == [self.elements] and strides == (1,)
        if not by_head and not (joined and (self.heads == 1 or n == self.size)):
            raise CoupledError
        return self._columns(value, offset)

    def _parts(self, value: Value) -> list[Piece]:
        n = value.shape[-1]
        sizes, strides = [self.heads, self.size], (n, 1)
        return [(self._columns(value, i), i, sizes, strides) for i in range(0, n, self.size)]

    def _columns(self, value: Value, column: int) -> Block:
        """As many columns of a product as a head has elements."""
        key = (value, column)
        if key not in self._loaded:
            name = self._name()
            terms = [self._term(value, column, *factor) for factor in self._factors(value.args[0])]
            self.lines.append(f"{name} = {' + '.join(terms)}")
            self._loaded[key] = Block(name)
        return self._loaded[key]

    def _factors(self, x: Value) -> list[tuple[Value, int]]:
        """What is multiplied, cut into pieces as large as a head, and where they begin."""
        seen = self.view(x)
        root, last = seen.root, len(seen.root.shape) - 1
        if x.shape[-1] == self.size:
            return [(x, 0)]
        if root.op != "concat" or root.attrs != last or not is_whole(seen):
            raise CoupledError
        if any(part.shape[-1] != self.size for part in root.args):
            raise CoupledError
        return [(part, i * self.size) for i, part in enumerate(root.args)]

    def _term(self, value: Value, column: int, x: Value, start: int) -> str:
        along, across = distances(value)
        k, n = value.args[0].shape[-1], value.shape[-1]
        first = f"tl.program_id(1) * {k * n} + {start * along + column * across}"
        matrix = f"const_{value.args[1].attrs} + {first}"
        if self.products.elements // self.heads > RESIDENT[self.products.precision]:
            where = f"memory + memory_lane + {self._slot(x)}"
            size = self.size
            call = self.products.call(matrix, along, across, size, size, self.units)
            return call.format(rows=where)
        rows, columns = f"tl.arange(0, {self.units})[:, None]", "u"
        mask = f"({rows} < {self.size}) & (u < {self.size})"
        text = f"tl.load({matrix} + {rows} * {along} + {columns} * {across}, mask={mask}, other=0)"
        return self.resident(x, text, self.elements)

    def _slot(self, x: Value) -> int:
        """Where a factor lies in memory; it is stored once a step."""
        if x not in self._slots:
            slot = self._slots[x] = self.width
            block = self._full(self.operand(x, x.shape), self.elements)
            self.width += self.units
            self.lines.append(f"tl.store(memory + memory_lane + {slot} + u, {block})")
            self.lines.append("tl.debug_barrier()")
        return self._slots[x]
