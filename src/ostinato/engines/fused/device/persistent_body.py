"""The step of programs that share the matrices: each has some columns, for all steps.

What is multiplied is put out for all steps, where the other programs read it behind a barrier.
No place is written twice, so that one barrier before each product that waits for others is enough.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ostinato.engines.fused import ir
from ostinato.engines.fused.device.blocks import Block, place, power_of_two
from ostinato.engines.fused.device.body import Body, CoupledError, Piece
from ostinato.engines.fused.device.multiply import SHORTEST, distances
from ostinato.engines.fused.ir import Value
from ostinato.engines.fused.program import Program
from ostinato.engines.fused.schedule import plain_view

# Rows of a matrix that are multiplied together: more, and exact units run out of registers.
_STEP = {"ieee": 32, "tf32x3": 64, "tf32": 64, "bf16": 64, "fp16": 64}


def with_exchange(program: Program) -> Program:
    """The program that puts out all that is multiplied."""
    given = frozenset(program.read.values())
    values = ir.reachable(program.roots, given)
    copies = {v for v in values if v.op in ir.VIEWS and not plain_view(v, given)}
    made = [v for v in values if v.op == "matmul" and v not in given]
    there, results = {*program.results.values(), *given}, dict(program.results)
    for product in made:
        root = place(product.args[0], given, copies).root
        if root not in there and root.op not in ("number", "const"):
            there.add(root)
            results[f"exchange_{len(results)}"] = root
    return replace(program, results=results)


class PersistentBody(Body):
    """Writes the step of a program that has some elements of every row.

    Args:
        program: with all that is multiplied among what it reads and puts out.
        states: leaves that the loop carries, each with its value after the step.
        real: the type of numbers.
        precision: of products.
        elements: of every value.
        resident: whether the matrices stay in shared memory, where they fit.
    """

    def __init__(
        self,
        program: Program,
        states: dict[Value, Value],
        real: str,
        precision: str,
        elements: int,
        resident: bool,
    ) -> None:
        self._resident = resident
        self._put_already: set[str] = set()
        # What the others have written since the last barrier: the state, in the step before.
        self._unmet = set(program.advancing)
        super().__init__(program, states, real, precision, elements, {})
        self.early.insert(0, "arrivals = 0")

    def _put_out(self, port: str, value: Value) -> None:
        if port not in self._put_already:
            self._put_already.add(port)
            self._unmet.add(value)
            super()._put_out(port, value)

    def _multiply(self, value: Value) -> None:
        if value.size != value.shape[-1] or value.size % self.elements:
            raise CoupledError

    def _part(
        self, value: Value, offset: int, sizes: Sequence[int], strides: tuple[int, ...]
    ) -> Block | None:
        if list(sizes) != [self.elements] or strides != (1,):
            raise CoupledError
        return self._columns(value, offset)

    def _parts(self, value: Value) -> list[Piece]:
        n = self.elements
        return [(self._columns(value, i), i, [n], (1,)) for i in range(0, value.size, n)]

    def _columns(self, value: Value, first: int) -> Block:
        """As many columns of a product as a row has elements."""
        if first % self.elements:
            raise CoupledError
        if (value, first) not in self._loaded:
            self._multiply_all(value)
        return self._loaded[value, first]

    def _multiply_all(self, value: Value) -> None:
        """All the columns that this program has of a product."""
        rows, k = self._rows(value.args[0]), value.args[0].size
        step = min(_STEP[self.products.precision], max(SHORTEST, power_of_two(k)))
        sums = {start: self._name() for start in range(0, value.size, self.elements)}
        self.lines += [f"{name} = tl.zeros((R, U), {self.real})" for name in sums.values()]
        slabs = {name: self._slab(value, start, step) for start, name in sums.items()}
        if self._resident:
            for first in range(0, k, step):
                kept = {name: self._name() for name in slabs}
                for name, text in slabs.items():
                    self.early.append(f"{kept[name]} = {text.format(first=first)}")
                self.lines += self._slice(rows, first, k, step, kept)
        else:
            read = {name: text.format(first="k") for name, text in slabs.items()}
            inner = self._slice(rows, "k", k, step, read)
            self.lines += [f"for k in range(0, {k}, {step}):", *(f"    {each}" for each in inner)]
        self._loaded |= {(value, start): Block(name) for start, name in sums.items()}

    def _slab(self, value: Value, start: int, step: int) -> str:
        """Text of some rows of a matrix; {first} stands for the first of them."""
        along, across = distances(value)
        matrix = f"const_{value.args[1].attrs} + {start * across}"
        k = value.args[0].size
        return f"slab({matrix}, j, {{first}}, {along}, {across}, {k}, {self.elements}, {step})"

    def _slice(
        self, rows: str, first: int | str, k: int, step: int, slabs: dict[str, str]
    ) -> list[str]:
        """Some elements of the factor, times as many rows of the matrix, for all columns."""
        x, how = self._name(), repr(self.products.precision)
        lines = [f"{x} = gathered({rows}, live, {first}, {k}, {step})"]
        return lines + [f"{n} = added({x}, {slab}, {n}, {how})" for n, slab in slabs.items()]

    def _rows(self, x: Value) -> str:
        """Pointers to the rows of a factor, which all programs have written."""
        seen = self.view(x)
        root = seen.root
        if root.op == "const" or seen.strides[-1] != 1:
            raise CoupledError
        port = self.ports.get(root)
        if port is None:
            port = next(p for p, v in self.program.results.items() if v is root)
            self._put_out(port, root)
        if root in self._unmet:
            self.lines += [
                "arrivals += tl.num_programs(1)",
                "meet(counter + tl.program_id(0), arrivals)",
            ]
            self._unmet.clear()
        return f"{port} + {port}_lane + {seen.offset}"
