"""The step of a program as Triton code on blocks in registers.

Values live in registers for one step. Through memory goes only what is read in another order
than it was computed in; which values those are is found by writing the step until no further
one is missed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import count

from ostinato.engines.fused import ir
from ostinato.engines.fused.device.blocks import (
    Block,
    computed,
    expression,
    index,
    is_whole,
    literal,
    load,
    place,
    power_of_two,
    store,
)
from ostinato.engines.fused.device.multiply import Products
from ostinato.engines.fused.emit import aligned, collapsed
from ostinato.engines.fused.ir import Shape, Value
from ostinato.engines.fused.program import Program
from ostinato.engines.fused.schedule import View, plain_view, row_major

# A block, and where it lies in a value: the first element, and axes with their strides.
Piece = tuple[Block, int, Sequence[int], tuple[int, ...]]


class CoupledError(Exception):
    """The elements of a row depend on one another."""


class Body:
    """Writes a step.

    Args:
        program: the program.
        states: leaves that the loop carries, each with its value after the step.
        real: the type of numbers.
        precision: of products.
        elements: of every value, where each program has only some elements of a row; else 0.
        memory: place of each value that goes through memory, in a row of it.

    Attributes:
        early: lines before the loop.
        loads: what a step reads of its ports, by the names of blocks.
        ahead: the same of the step after it, of the rows `more`.
        lines: the rest of the step.
        missing: values that have to go through memory and did not.
        widest: elements of the largest block.
        width: elements of a row that go through memory.
    """

    def __init__(
        self,
        program: Program,
        states: dict[Value, Value],
        real: str,
        precision: str,
        elements: int,
        memory: dict[Value, int],
    ) -> None:
        self.program, self.real, self.elements, self.memory = program, real, elements, memory
        self.states = states
        self.given = frozenset(program.read.values()) - set(states)
        self.ports = {v: port for port, v in (program.constants | program.read).items()}
        self.order = ir.reachable([*program.results.values(), *states.values()], self.given)
        self.copies = frozenset(
            v for v in self.order if v.op in ir.VIEWS and not plain_view(v, self.given)
        )
        made = [value for value in self.order if value not in self.given]
        self.products = Products(made, self.view, precision)
        self.width = sum(value.size for value in memory)
        self.widest = 1
        self.early: list[str] = []
        self.loads: dict[str, str] = {}
        self.ahead: dict[str, str] = {}
        self.lines: list[str] = []
        self.missing: dict[Value, None] = {}
        self._blocks: dict[Value, Block] = {}
        self._loaded: dict[tuple[object, ...], Block] = {}
        self._unseen: set[Value] = set()
        self._count = count()
        self._write()
        if self.width:
            # Others may still read what they need for the step before.
            self.lines.insert(0, "tl.debug_barrier()")

    def _write(self) -> None:
        for i, leaf in enumerate(self.states):
            self._blocks[leaf] = Block(f"state_{i}", wide=leaf.size > 1)
            self._keep(leaf)
        for value in self.order:
            if value not in self.given and value.op not in ir.LEAVES:
                self._compute(value)
                self._keep(value)
        for port, value in self.program.results.items():
            self._put_out(port, value)
        for i, (leaf, value) in enumerate(self.states.items()):
            name = self._full(self.operand(value, leaf.shape), leaf.size)
            self.lines.append(f"next_{i} = {name}")
        self.lines += [f"state_{i} = next_{i}" for i in range(len(self.states))]

    def _compute(self, value: Value) -> None:
        if value.op in ir.POINTWISE:
            if self.view(value).root is not value:
                return
            args = [self.operand(arg, value.shape) for arg in value.args]
            name = self._name()
            self.lines.append(f"{name} = {expression(value, args, self.real)}")
            self._blocks[value] = computed(name, value, args)
        elif value.op in ir.REDUCTIONS:
            self._reduce(value)
        elif value.op in ir.VIEWS:
            if value in self.copies:
                self._blocks[value] = self.operand(value.args[0], value.args[0].shape)
        elif value.op == "matmul":
            self._multiply(value)

    # Reading.

    def view(self, value: Value) -> View:
        """Where a value lies."""
        return place(value, self.given, self.copies)

    def operand(self, value: Value, shape: Shape) -> Block:
        """A value, repeated to a shape."""
        seen = aligned(self.view(value), shape)
        if seen.root.op == "number":
            return self._number(seen.root.attrs)
        sizes, (strides,) = collapsed(shape, [seen.strides])
        if not any(strides):
            sizes, strides = [1], (1,)
        return self._read(seen.root, seen.offset, sizes, strides)

    def _read(
        self, root: Value, offset: int, sizes: Sequence[int], strides: tuple[int, ...]
    ) -> Block:
        n = math.prod(sizes)
        in_order = len(sizes) == 1 and strides == (1,)
        if root.op == "matmul" and root not in self.given:
            part = self._part(root, offset, sizes, strides)
            if part is not None:
                return part
        if root in self._blocks and in_order and offset == 0 and n == root.size:
            return self._blocks[root]
        key = (root, offset, tuple(sizes), strides)
        if key not in self._loaded:
            self._loaded[key] = self._load(root, offset, sizes, strides)
        return self._loaded[key]

    def _load(
        self, root: Value, offset: int, sizes: Sequence[int], strides: tuple[int, ...]
    ) -> Block:
        name, n = self._name(), math.prod(sizes)
        where = f"{offset} + {index(self.j(n), sizes, strides)}"
        constant = root.op == "const"
        base = self._base(root)
        seen = self.within(n) if constant or root in self.memory else self.mask(n)
        text = load(f"{base} + {where}", seen)
        if root in self.given:
            self.loads[name] = text
            port = self.ports[root]
            self.ahead[name] = load(f"{base} + {port}_time + {where}", self.mask(n, "more"))
        else:
            (self.early if constant else self.lines).append(f"{name} = {text}")
        return Block(name, not constant, n > 1)

    def _base(self, root: Value) -> str:
        """Pointers to the rows of what lies in memory."""
        if root in self.memory:
            if root in self._unseen:
                self.lines.append("tl.debug_barrier()")
                self._unseen.clear()
            return f"memory + memory_lane + {self.memory[root]}"
        if root in self.ports and (root in self.given or root.op == "const"):
            port = self.ports[root]
            return port if root.op == "const" else f"{port} + {port}_lane"
        self.missing[root] = None
        return "memory"

    def _number(self, value: float) -> Block:
        key = ("number", repr(value))
        if key not in self._loaded:
            name = self._name()
            self.early.append(f"{name} = tl.full((1, 1), {literal(value)}, {self.real})")
            self._loaded[key] = Block(name, rows=False, wide=False)
        return self._loaded[key]

    # Products and reductions.

    def _multiply(self, value: Value) -> None:
        """Begin a product; one of a whole row waits until some columns are read."""
        if self.elements:
            raise CoupledError
        if not self.products.in_columns(value):
            self._multiply_heads(value)

    def _part(
        self, value: Value, offset: int, sizes: Sequence[int], strides: tuple[int, ...]
    ) -> Block | None:
        """Part of a product, if it is one that is computed by itself."""
        segment = (offset, math.prod(sizes))
        if strides != (1,) or segment not in self.products.segments(value):
            return None
        return self._segment(value, segment)

    def _parts(self, value: Value) -> list[Piece]:
        """All parts of a product, and where they lie in it."""
        segments = self.products.segments(value)
        return [(self._segment(value, s), s[0], [s[1]], (1,)) for s in segments]

    def _segment(self, value: Value, segment: tuple[int, int]) -> Block:
        """Some columns of a product."""
        key = (value, segment)
        if key not in self._loaded:
            parts = self.products.parts(value, segment)
            name = self._name()
            for i, part in enumerate(parts):
                if part.matrix is None:
                    x = self.view(value.args[0])
                    whole = self.products.streamed(value, segment)
                    rows = f"{self._base(x.root)} + {x.offset}"
                    self.lines.append(f"{name} = {whole.format(rows=rows)}")
                    break
                product = self.resident(part.value, part.matrix, part.size)
                self.lines.append(f"{name} {'=' if i == 0 else '+='} {product}")
            self._loaded[key] = Block(name, wide=segment[1] > 1)
        return self._loaded[key]

    def resident(self, x: Value, matrix: str, k: int) -> str:
        """Text of a product with a matrix that stays in registers or shared memory."""
        key = ("matrix", matrix)
        if key not in self._loaded:
            name = self._name()
            self.early.append(f"{name} = {matrix}")
            self._loaded[key] = Block(name)
        name = self._full(self.operand(x, x.shape), k)
        if within := self.within(k):
            # What a load masked is zero, but not what was computed from it.
            name = f"tl.where({within}, {name}, 0)"
        return f"multiply({name}, {self._loaded[key].name}, {self.products.precision!r})"

    def _multiply_heads(self, value: Value) -> None:
        x = self.view(value.args[0])
        rows, n = self._base(x.root), value.shape[-1]
        apart = x.strides[-2] if len(x.shape) > 1 else 0
        whole = self.products.head(value).format(rows=f"{rows} + {x.offset} + g * {apart}")
        if value not in self.memory:
            self.missing[value] = None
            return
        target = f"memory + memory_lane + {self.memory[value]} + g * {n} + {self.j(n)}"
        self.lines += [
            f"for g in range({value.size // n}):",
            f"    {store(target, whole, self.within(n))}",
        ]

    def _reduce(self, value: Value) -> None:
        x, name = value.args[0], self._name()
        if self.elements:
            raise CoupledError
        kept = [n for axis, n in enumerate(x.shape) if axis not in value.attrs]
        function = "total" if value.op == "sum" else "largest"
        fill = "0" if value.op == "sum" else 'float("-inf")'
        if math.prod(kept) == 1:
            block = self._full(self.operand(x, x.shape), x.size)
            if within := self.within(x.size):
                block = f"tl.where({within}, {block}, {fill})"
            self.lines.append(f"{name} = {function}({block}, 1)")
            self._blocks[value] = Block(name, wide=False)
            return
        self.lines.append(f"{name} = {self._groups(value, function, fill)}")
        self._blocks[value] = Block(name)

    def _groups(self, value: Value, function: str, fill: str) -> str:
        """A reduction whose result has several elements: one axis more, which it sums over."""
        x, axes = value.args[0], value.attrs
        seen = self.view(x)
        picks = [
            [a for a in range(len(x.shape)) if (a in axes) == inside] for inside in (False, True)
        ]
        texts, masks = [], []
        for pick, axis in zip(picks, ("[None, :, None]", "[None, None, :]"), strict=True):
            sizes, strides = [x.shape[a] for a in pick], [seen.strides[a] for a in pick]
            n = math.prod(sizes)
            j = f"tl.arange(0, {power_of_two(n)}){axis}"
            texts.append(index(j, sizes, strides))
            masks += [] if n == power_of_two(n) else [f"({j} < {n})"]
        live = [] if seen.root in self.memory else ["live[:, :, None]"]
        where = f"({self._base(seen.root)})[:, :, None] + {seen.offset} + {' + '.join(texts)}"
        block = load(where, " & ".join([*live, *masks]), fill)
        kept = power_of_two(value.size)
        return f"tl.reshape({function}({block}, 2), (R, {kept}))"

    # Writing.

    def _keep(self, value: Value) -> None:
        """Store what has to go through memory."""
        if value in self.memory:
            # Heads are multiplied in memory.
            if value.op != "matmul" or self.products.in_columns(value):
                self._put(value, f"memory + memory_lane + {self.memory[value]}", own=True)
            self._unseen.add(value)

    def _put_out(self, port: str, value: Value) -> None:
        """Store a result."""
        self._put(value, f"{port} + {port}_lane", own=False)

    def _put(self, value: Value, base: str, own: bool) -> None:
        """Store all elements of a value, piece by piece where it was computed so."""
        seen = self.view(value)
        root = seen.root
        at_hand = root in self.given or (root in self.memory and not own) or not is_whole(seen)
        if root.op == "concat" and not at_hand:
            start, strides = 0, row_major(root.shape)
            for part in root.args:
                offset = start * strides[root.attrs]
                sizes, (apart,) = collapsed(part.shape, [strides])
                self._store(self.operand(part, part.shape), base, offset, sizes, apart, own)
                start += part.shape[root.attrs]
        elif root.op == "matmul" and not at_hand and (parts := self._parts(root)):
            for block, offset, shape, apart in parts:
                self._store(block, base, offset, shape, apart, own)
        else:
            self._store(self.operand(value, value.shape), base, 0, [value.size], (1,), own)

    def _store(
        self,
        block: Block,
        base: str,
        offset: int,
        sizes: Sequence[int],
        strides: tuple[int, ...],
        own: bool,
    ) -> None:
        n = math.prod(sizes)
        where = f"{base} + {offset} + {index(self.j(n), sizes, strides)}"
        mask = self.within(n) if own else self.mask(n)
        self.lines.append(store(where, block.number(self.real), mask))

    # Text.

    def j(self, n: int) -> str:
        """The numbers of the elements of a block."""
        self.widest = max(self.widest, n)
        if not self.elements or n == 1:
            return f"tl.arange(0, {power_of_two(n)})[None, :]"
        if n != self.elements:
            raise CoupledError
        return "j"

    def within(self, n: int) -> str:
        """Which columns of a block there are; nothing to say where it has no others."""
        return "" if n == power_of_two(n) and not self.elements else f"({self.j(n)} < {n})"

    def mask(self, n: int, rows: str = "live") -> str:
        """Which elements of a block there are."""
        return " & ".join([rows, *filter(None, [self.within(n)])])

    def _full(self, block: Block, n: int) -> str:
        """A block with all its rows and columns."""
        columns = "U" if self.elements and n > 1 else str(power_of_two(n))
        return f"tl.broadcast_to({block.number(self.real)}, (R, {columns}))"

    def _name(self) -> str:
        return f"v{next(self._count)}"
