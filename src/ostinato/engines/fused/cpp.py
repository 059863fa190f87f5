"""C++ for one direction of a core: a loop over time inside, rows of the batch outside.

Every tensor that crosses the border is a port: a pointer with a stride in time and one between
rows. Time always runs upwards here; a caller that wants it reversed passes the last step and a
negative stride.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from ostinato.engines.fused import ir
from ostinato.engines.fused.ir import Shape, Value
from ostinato.engines.fused.schedule import Schedule, Stage, View, row_major, schedule, view

# Rows that go through time together: enough to use a weight often, few enough for the caches.
TILE = 24

_FUNCTIONS = {
    **{name: f"{name}_({{0}})" for name in ir.FUNCTIONS},
    **{name: f"{name}_({{0}}, {{1}})" for name in ("maximum", "minimum", "pow", *ir.LOGIC)},
    "neg": "-{0}", "add": "{0} + {1}", "sub": "{0} - {1}", "mul": "{0} * {1}",
    "div": "{0} / {1}", "where": "where_({0}, {1}, {2})",
}  # fmt: skip


@dataclass(frozen=True)
class Program:
    """One step of one direction, and what flows through the border.

    Attributes:
        name: of the C function.
        carried: leaves of the state of the loop, each with its value after the step.
        results: values put out at every step, by port.
        read: leaves and saved values that are read from a port at every step, by port.
        constants: leaves that are the same at every step, by port.
        sums: values summed over steps and rows, by port.
        previous: for a leaf, the port whose entry of the step before holds it, and the port
            that holds it before the first step.
    """

    name: str
    carried: dict[Value, Value] = field(default_factory=dict)
    results: dict[str, Value] = field(default_factory=dict)
    read: dict[str, Value] = field(default_factory=dict)
    constants: dict[str, Value] = field(default_factory=dict)
    sums: dict[str, Value] = field(default_factory=dict)
    previous: dict[Value, tuple[str, str]] = field(default_factory=dict)

    @property
    def ports(self) -> list[str]:
        """All ports, in the order in which a caller passes them."""
        firsts = [first for _, first in self.previous.values()]
        loops = [f"{side}_{i}" for i in range(len(self.carried)) for side in ("first", "last")]
        extra = [kept for kept, _ in self.previous.values() if kept not in self.results]
        named = [*self.results, *self.read, *self.constants, *self.sums, *firsts, *loops, *extra]
        return list(dict.fromkeys(named))


def packed(matrix: Value, transposed: bool) -> str:
    """The port of a constant matrix, packed for products one way or the other."""
    return f"packed_{'t' if transposed else 'n'}{matrix.attrs}"


class Writer:
    """Writes the C function of a program."""

    def __init__(self, program: Program) -> None:
        self.program = program
        given = frozenset(program.read.values())
        roots = [*program.results.values(), *program.carried.values(), *program.sums.values()]
        self.given = given
        self.plan: Schedule = schedule(roots, given)
        self.copied = frozenset(
            v for stage in self.plan.stages for v in stage.values if v.op in ir.VIEWS
        )
        self.products = [v for s in self.plan.stages for v in s.values if v.op == "matmul"]
        self.ports = list(program.ports)
        for product in self.products:
            name = packed(product.args[1], product.attrs)
            if name not in self.ports:
                self.ports.append(name)
        self.places: dict[Value, tuple[str, str]] = {}
        self.scratch = 0
        self._place_all()

    def text(self) -> str:
        """The function."""
        body = [line for stage in self.plan.stages for line in self._stage(stage)]
        lines = [
            f'extern "C" void {self.program.name}(real* const* p, const int64_t* s, int64_t T,',
            "    int64_t begin, int64_t end) {",
            f"  alignas(64) static thread_local real memory[{max(self.scratch, 1)}];",
            "  real* const scratch = memory;",
            f"  for (int64_t r0 = begin; r0 < end; r0 += {TILE}) {{",
            f"    const int64_t rows = end - r0 < {TILE} ? end - r0 : {TILE};",
            *self._enter(),
            "    for (int64_t t = 0; t < T; t++) {",
            *self._locate(),
            *body,
            *self._finish(),
            "    }",
            *self._leave(),
            "  }",
            "}",
        ]
        return "\n".join(lines)

    # Where values lie.

    def _place_all(self) -> None:
        program = self.program
        for port, leaf in (program.read | program.constants).items():
            self.places[leaf] = (port, f"n_{port}")
        for leaf in program.previous:
            self.places[leaf] = (f"before_{leaf.attrs}", f"nb_{leaf.attrs}")
        for i, leaf in enumerate(program.carried):
            if leaf not in program.previous:
                self.places[leaf] = (f"state_{i}", f"{_padded(leaf.size)}")
        for port, value in program.results.items():
            if value in self.plan.stored and value not in self.places:
                self.places[value] = (port, f"n_{port}")
        self._place_inside_concat()
        for stage in self.plan.stages:
            for value in stage.values:
                if value in self.plan.stored and value not in self.places:
                    self.places[value] = self._allocate(value.size)
        self.states = {
            i: self._allocate(2 * _padded(leaf.size))[0]
            for i, leaf in enumerate(program.carried)
            if leaf not in program.previous
        }

    def _place_inside_concat(self) -> None:
        """Parts of a flat concatenation are computed where they belong, without a copy."""
        for stage in self.plan.stages:
            whole = stage.values[0]
            if whole.op != "concat" or whole not in self.plan.stored or whole.attrs != 0:
                continue
            if whole not in self.places:
                self.places[whole] = self._allocate(whole.size)
            base, stride = self.places[whole]
            offset = 0
            for part in whole.args:
                if part.op in ir.POINTWISE and part not in self.places:
                    self.places[part] = (f"({base} + {offset})", stride)
                offset += part.size

    def _allocate(self, size: int) -> tuple[str, str]:
        start = self.scratch
        self.scratch += TILE * _padded(size)
        return f"(scratch + {start})", str(_padded(size))

    # Entering and leaving.

    def _enter(self) -> list[str]:
        lines = []
        for i, leaf in enumerate(self.program.carried):
            if i in self.states:
                n = _padded(leaf.size)
                lines += [
                    f"    real* state_{i} = {self.states[i]};",
                    f"    real* next_{i} = state_{i} + {TILE * n};",
                    f"    for (int64_t r = 0; r < rows; r++) std::memcpy(state_{i} + r * {n}, "
                    f"{self._port(f'first_{i}')} + (r0 + r) * {self._row(f'first_{i}')}, "
                    f"{leaf.size} * sizeof(real));",
                ]
        return lines

    def _locate(self) -> list[str]:
        lines = []
        for port in [*self.program.results, *self.program.read]:
            start = f"{self._port(port)} + t * {self._time(port)}"
            lines += [
                f"      const int64_t n_{port} = {self._row(port)};",
                f"      real* {port} = {start} + r0 * n_{port};",
            ]
        for port in self.program.constants:
            lines += [
                f"      const int64_t n_{port} = 0;",
                f"      const real* {port} = {self._port(port)};",
            ]
        for leaf, (kept, first) in self.program.previous.items():
            i = leaf.attrs
            lines += [
                f"      const int64_t nb_{i} = t ? {self._row(kept)} : {self._row(first)};",
                f"      const real* before_{i} = (t ? {self._port(kept)} + (t - 1) * "
                f"{self._time(kept)} : {self._port(first)}) + r0 * nb_{i};",
            ]
        return lines

    def _finish(self) -> list[str]:
        """What is no product of a loop is copied to its port; then the state moves on."""
        lines = []
        for port, value in self.program.results.items():
            if self.places.get(value, ("",))[0] != port:
                lines += self._copy(self._view(value), value.shape, (port, f"n_{port}"), 0)
        for i, (leaf, value) in enumerate(self.program.carried.items()):
            if i in self.states:
                lines += self._copy(
                    self._view(value), leaf.shape, (f"next_{i}", str(_padded(leaf.size))), 0
                )
        lines += [
            f"      {{ real* swap = state_{i}; state_{i} = next_{i}; next_{i} = swap; }}"
            for i in self.states
        ]
        for port, value in self.program.sums.items():
            lines += self._accumulate(port, value)
        return lines

    def _leave(self) -> list[str]:
        return [
            f"    for (int64_t r = 0; r < rows; r++) std::memcpy({self._port(f'last_{i}')} + "
            f"(r0 + r) * {self._row(f'last_{i}')}, state_{i} + r * {_padded(leaf.size)}, "
            f"{leaf.size} * sizeof(real));"
            for i, leaf in enumerate(self.program.carried)
            if i in self.states
        ]

    def _port(self, name: str) -> str:
        return f"p[{self.ports.index(name)}]"

    def _time(self, name: str) -> str:
        return f"s[{2 * self.ports.index(name)}]"

    def _row(self, name: str) -> str:
        return f"s[{2 * self.ports.index(name) + 1}]"

    # Stages.

    def _stage(self, stage: Stage) -> list[str]:
        value = stage.values[0]
        if stage.kind == "loop":
            return self._loop(stage)
        if stage.kind == "matmul":
            return self._matmul(value)
        if stage.kind in ir.REDUCTIONS:
            return self._reduction(value)
        if stage.kind == "concat":
            return self._concat(value)
        inner = view(value.args[0], self.given, self.copied)
        shape = value.args[0].shape
        return self._copy(inner, shape, self.places[value], 0)

    def _view(self, value: Value) -> View:
        return view(value, self.given, self.copied)

    def _loop(self, stage: Stage) -> list[str]:
        names = {value: f"v{k}" for k, value in enumerate(stage.values)}
        operands: dict[View, str] = {}
        body = []
        for value in stage.values:
            arguments = []
            for arg in value.args:
                if arg in names and arg.shape == stage.shape:
                    arguments.append(names[arg])
                else:
                    seen = _aligned(self._view(arg), stage.shape)
                    arguments.append(operands.setdefault(seen, f"x{len(operands)}"))
            body.append(f"vec {names[value]} = {_FUNCTIONS[value.op].format(*arguments)};")
        stores = [
            (View(value, 0, stage.shape, row_major(stage.shape)), names[value])
            for value in stage.values
            if value in self.plan.stored
        ]
        return self._nest(stage.shape, operands, body, stores)

    def _nest(
        self,
        shape: Shape,
        operands: dict[View, str],
        body: list[str],
        stores: Sequence[tuple[View, str]],
    ) -> list[str]:
        """Loops over rows and axes around a vectorised body."""
        views = [*operands, *(target for target, _ in stores)]
        sizes, strides = _collapsed(shape, [seen.strides for seen in views])
        inner, outer = sizes[-1], sizes[:-1]
        lines, loads = ["      for (int64_t r = 0; r < rows; r++) {"], []
        for k, seen in enumerate(views):
            lines.append(f"        {self._pointer(seen, f'q{k}')}")
        for axis, n in enumerate(outer):
            lines.append(f"        for (int64_t i{axis} = 0; i{axis} < {n}; i{axis}++) {{")
        for k, (seen, name) in enumerate(operands.items()):
            loads.append(f"vec {name} = {self._load(seen, f'q{k}', strides[k])};")
        for k, (_, name) in enumerate(stores, len(operands)):
            body = [*body, _store(f"q{k}", strides[k], name)]
        lines.append("          auto body = [&](auto lane, int64_t j) {")
        lines += [f"            {line}" for line in (*loads, *body)]
        lines += [
            "          };",
            "          int64_t j = 0;",
            f"          for (; j + LANES <= {inner}; j += LANES) body(Full{{}}, j);",
        ]
        lines.append(f"          if (j < {inner}) body(Part{{{inner} - j}}, j);")
        return [*lines, *("        }" for _ in outer), "      }"]

    def _pointer(self, seen: View, name: str) -> str:
        if seen.root.op == "number":
            return ""
        base, stride = self.places[seen.root]
        return f"auto* {name} = {base} + r * {stride} + {seen.offset};"

    def _load(self, seen: View, name: str, strides: tuple[int, ...]) -> str:
        if seen.root.op == "number":
            return f"splat({_literal(seen.root.attrs)})"
        address = _address(name, strides)
        if strides[-1] == 0:
            return f"splat(*({address}))"
        if strides[-1] == 1:
            return f"lane.load({address} + j)"
        return f"gather(lane, {address} + j * {strides[-1]}, {strides[-1]})"

    def _copy(self, source: View, shape: Shape, place: tuple[str, str], offset: int) -> list[str]:
        """Copy a view into contiguous memory."""
        target = ir.make("place", (), shape, (place, offset))
        self.places[target] = place
        stored = View(target, offset, shape, row_major(shape))
        return self._nest(shape, {_aligned(source, shape): "x0"}, [], [(stored, "x0")])

    def _concat(self, value: Value) -> list[str]:
        place, axis, start, lines = self.places[value], value.attrs, 0, []
        strides = row_major(value.shape)
        for part in value.args:
            offset = start * strides[axis]
            base = f"({place[0]} + {offset})"
            if self.places.get(part, ("",))[0] != base:
                target = ir.make("place", (), part.shape, (place, offset, axis))
                self.places[target] = place
                stored = View(target, offset, part.shape, strides)
                seen = _aligned(self._view(part), part.shape)
                lines += self._nest(part.shape, {seen: "x0"}, [], [(stored, "x0")])
            start += part.shape[axis]
        return lines

    def _matmul(self, value: Value) -> list[str]:
        x, matrix = value.args
        seen = self._view(x)
        k, n = x.shape[-1], value.shape[-1]
        name = packed(matrix, value.attrs)
        heads = len(matrix.shape) == 3
        groups = value.size // n
        weight = f"{self._port(name)} + g * {k} * ((({n} + PANEL - 1) / PANEL) * PANEL)"
        base, stride = self.places[seen.root]
        target, target_stride = self.places[value]
        apart = seen.strides[-2] if len(seen.shape) > 1 else 0
        return [
            f"      for (int64_t g = 0; g < {groups}; g++)",
            f"        matmul(rows, {k}, {n}, {base} + {seen.offset} + g * {apart}, {stride}, "
            f"{weight if heads else self._port(name)}, {target} + g * {n}, {target_stride});",
        ]

    def _reduction(self, value: Value) -> list[str]:
        """Sum or maximum; along the last axis with a register, else register by register."""
        x, axes = value.args[0], value.attrs
        seen, rank = self._view(x), len(x.shape)
        kept = [a for a in range(rank) if a not in axes]
        last = rank - 1
        along = last in axes
        start = "splat(0)" if value.op == "sum" else "splat(-INFINITY)"
        join = "total += x;" if value.op == "sum" else "total = maximum_(total, x);"
        target, stride = self.places[value]
        out = row_major(value.shape)
        lines = ["      for (int64_t r = 0; r < rows; r++) {"]
        lines.append(f"        {self._pointer(seen, 'q')}")
        lines.append(f"        real* o = {target} + r * {stride};")
        for a in kept if along else [a for a in kept if a != last]:
            lines.append(f"        for (int64_t i{a} = 0; i{a} < {x.shape[a]}; i{a}++) {{")
        address = " + ".join(["q", *(f"i{a} * {seen.strides[a]}" for a in range(last))])
        load = self._load(View(seen.root, 0, (1,), (1,)), "base", seen.strides[-1:])
        inner = [f"auto* base = {address};", f"vec x = {load};"]
        outer = [a for a in axes if a != last]
        loops = [f"for (int64_t i{a} = 0; i{a} < {x.shape[a]}; i{a}++) {{" for a in outer]
        place = " + ".join(["o", *(f"i{a} * {out[a]}" for a in kept if a != last)])
        size = x.shape[-1]
        if along:
            fill = "x" if value.op == "sum" else "lane.keep(x, total)"
            lines += [
                f"          vec total = {start};",
                f"          auto body = [&](auto lane, int64_t j) {{ {' '.join(loops)} "
                f"{' '.join(inner)} x = {fill}; {join} {'}' * len(loops)} }};",
                "          int64_t j = 0;",
                f"          for (; j + LANES <= {size}; j += LANES) body(Full{{}}, j);",
                f"          if (j < {size}) body(Part{{{size} - j}}, j);",
                f"          *({place}) = lanes_{value.op}(total);",
            ]
        else:
            lines += [
                f"          auto body = [&](auto lane, int64_t j) {{ vec total = {start}; "
                f"{' '.join(loops)} {' '.join(inner)} {join} {'}' * len(loops)} "
                f"lane.store({place} + j, total); }};",
                "          int64_t j = 0;",
                f"          for (; j + LANES <= {size}; j += LANES) body(Full{{}}, j);",
                f"          if (j < {size}) body(Part{{{size} - j}}, j);",
            ]
        count = len(kept) if along else len([a for a in kept if a != last])
        return [*lines, *("        }" for _ in range(count)), "      }"]

    def _accumulate(self, port: str, value: Value) -> list[str]:
        target = ir.make("place", (), value.shape, port)
        self.places[target] = (self._port(port), "0")
        stored = View(target, 0, value.shape, row_major(value.shape))
        seen = _aligned(self._view(value), value.shape)
        operands = {seen: "x0", stored: "x1"}
        return self._nest(value.shape, operands, ["vec x2 = x0 + x1;"], [(stored, "x2")])


def source(programs: Iterable[Program], real: str) -> tuple[str, dict[str, list[str]]]:
    """One translation unit, and the ports of every function in their order."""
    writers = [Writer(program) for program in programs]
    single = int(real == "float")
    head = (
        f'#define SINGLE {single}\ntypedef {real} real;\n#include "vector.h"\n#include "matmul.h"\n'
    )
    text = head + "\n\n".join(writer.text() for writer in writers) + "\n"
    return text, {writer.program.name: writer.ports for writer in writers}


def _aligned(seen: View, shape: Shape) -> View:
    """A view broadcast to the shape of a loop."""
    lead = len(shape) - len(seen.shape)
    kept = zip(seen.shape, seen.strides, shape[lead:], strict=True)
    strides = (0,) * lead + tuple(0 if n == 1 else s for n, s, _ in kept)
    return View(seen.root, seen.offset, shape, strides)


def _collapsed(
    shape: Shape, strides: list[tuple[int, ...]]
) -> tuple[list[int], list[tuple[int, ...]]]:
    """Join axes that every operand walks through as one; axes of size one vanish."""
    sizes: list[int] = []
    merged: list[list[int]] = [[] for _ in strides]
    for axis, n in enumerate(shape):
        if n == 1:
            continue
        own = [each[axis] for each in strides]
        if sizes and all(m[-1] == s * n for m, s in zip(merged, own, strict=True)):
            sizes[-1] *= n
            for m, s in zip(merged, own, strict=True):
                m[-1] = s
        else:
            sizes.append(n)
            for m, s in zip(merged, own, strict=True):
                m.append(s)
    if not sizes:
        return [1], [(1,) for _ in strides]
    return sizes, [tuple(m) for m in merged]


def _store(pointer: str, strides: tuple[int, ...], name: str) -> str:
    address, step = _address(pointer, strides), strides[-1]
    if step == 1:
        return f"lane.store({address} + j, {name});"
    return f"scatter(lane, {address} + j * {step}, {step}, {name});"


def _address(name: str, strides: tuple[int, ...]) -> str:
    return " + ".join([name, *(f"i{a} * {s}" for a, s in enumerate(strides[:-1]) if s)])


def _padded(size: int) -> int:
    """Rows of scratch begin at a multiple of the longest register."""
    return -(-size // 16) * 16


def _literal(value: float) -> str:
    if value != value:
        return "real(NAN)"
    if value in (float("inf"), float("-inf")):
        return f"real({'-' if value < 0 else ''}INFINITY)"
    return f"real({value!r})"
