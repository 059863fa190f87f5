"""C++ for the stages of one phase: loop nests, products, reductions, rearrangements.

The text runs over `rows` rows. Where a value lies is told by two names, a pointer to its first
row and the distance between rows.
"""

from __future__ import annotations

from collections.abc import Sequence

from ostinato.engines.fused import ir
from ostinato.engines.fused.ir import Shape, Value
from ostinato.engines.fused.phases import Phase
from ostinato.engines.fused.program import packed
from ostinato.engines.fused.schedule import Stage, View, row_major, view

_FUNCTIONS = {
    **{name: f"{name}_({{0}})" for name in ir.FUNCTIONS},
    **{name: f"{name}_({{0}}, {{1}})" for name in ("maximum", "minimum", "pow", *ir.LOGIC)},
    "neg": "-{0}", "add": "{0} + {1}", "sub": "{0} - {1}", "mul": "{0} * {1}",
    "div": "{0} / {1}", "where": "where_({0}, {1}, {2})",
}  # fmt: skip


class Emitter:
    """Writes the stages of a phase.

    Args:
        phase: the phase.
        places: pointer and distance of rows, of every value that lies in memory.
        ports: the expression of a port that has no rows.
    """

    def __init__(
        self, phase: Phase, places: dict[Value, tuple[str, str]], ports: dict[str, str]
    ) -> None:
        self.phase, self.places, self.ports = phase, places, ports
        self.copies = copies(phase)

    def stage(self, stage: Stage) -> list[str]:
        """One stage."""
        value = stage.values[0]
        if stage.kind == "loop":
            return self._loop(stage)
        if stage.kind == "matmul":
            return self._matmul(value)
        if stage.kind in ir.REDUCTIONS:
            return self._reduction(value)
        if stage.kind == "concat":
            return self._concat(value)
        return self._move(value.args[0], value.args[0].shape, self.places[value])

    def copy(self, value: Value, place: tuple[str, str]) -> list[str]:
        """Copy a value into contiguous memory."""
        return self._move(value, value.shape, place)

    def view(self, value: Value) -> View:
        """Where a value lies."""
        return view(value, self.phase.known, self.copies)

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
                    seen = aligned(self.view(arg), stage.shape)
                    arguments.append(operands.setdefault(seen, f"x{len(operands)}"))
            body.append(f"vec {names[value]} = {_FUNCTIONS[value.op].format(*arguments)};")
        stores = [
            (View(value, 0, stage.shape, row_major(stage.shape)), names[value])
            for value in stage.values
            if value in self.phase.schedule.stored
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
        sizes, strides = collapsed(shape, [seen.strides for seen in views])
        inner, outer = sizes[-1], sizes[:-1]
        lines, loads = ["for (int64_t r = 0; r < rows; r++) {"], []
        lines += [self._pointer(seen, f"q{k}") for k, seen in enumerate(views)]
        for axis, n in enumerate(outer):
            lines.append(f"for (int64_t i{axis} = 0; i{axis} < {n}; i{axis}++) {{")
        for k, (seen, name) in enumerate(operands.items()):
            loads.append(f"vec {name} = {self._load(seen, f'q{k}', strides[k])};")
        for k, (_, name) in enumerate(stores, len(operands)):
            body = [*body, _store(f"q{k}", strides[k], name)]
        lines += ["auto body = [&](auto lane, int64_t j) {", *loads, *body, "};"]
        return [*lines, *_along(inner), *("}" for _ in outer), "}"]

    def _pointer(self, seen: View, name: str) -> str:
        if seen.root.op == "number":
            return ""
        base, distance = self.places[seen.root]
        return f"auto* {name} = {base} + r * {distance} + {seen.offset};"

    def _load(self, seen: View, name: str, strides: tuple[int, ...]) -> str:
        if seen.root.op == "number":
            return f"splat({_literal(seen.root.attrs)})"
        address = _address(name, strides)
        if strides[-1] == 0:
            return f"splat(*({address}))"
        if strides[-1] == 1:
            return f"lane.load({address} + j)"
        return f"gather(lane, {address} + j * {strides[-1]}, {strides[-1]})"

    def _move(
        self, value: Value, shape: Shape, place: tuple[str, str], strides: tuple[int, ...] = ()
    ) -> list[str]:
        target = ir.make("place", (), shape, (place, strides))
        self.places[target] = place
        stored = View(target, 0, shape, strides or row_major(shape))
        return self._nest(shape, {aligned(self.view(value), shape): "x0"}, [], [(stored, "x0")])

    def _concat(self, value: Value) -> list[str]:
        (base, distance), axis, start, lines = self.places[value], value.attrs, 0, []
        strides = row_major(value.shape)
        for part in value.args:
            place = (f"({base} + {start * strides[axis]})", distance)
            if self.places.get(part) != place:
                lines += self._move(part, part.shape, place, strides)
            start += part.shape[axis]
        return lines

    def _matmul(self, value: Value) -> list[str]:
        x, matrix = value.args[:2]
        k, n = x.shape[-1], value.shape[-1]
        weight = self.ports[packed(matrix, value.attrs)]
        if len(matrix.shape) == 3:
            weight += f" + g * {k} * ((({n} + PANEL - 1) / PANEL) * PANEL)"
        target, distance = self.places[value]
        begin = self._rows(value.args[2], n) if len(value.args) > 2 else "nullptr, 0"
        return [
            f"for (int64_t g = 0; g < {value.size // n}; g++)",
            f"  matmul_share(team, member, rows, {k}, {n}, {self._rows(x, k)}, {weight}, "
            f"{target} + g * {n}, {distance}, {begin});",
        ]

    def _rows(self, value: Value, size: int) -> str:
        """Pointer and distance of the rows of group g of a value."""
        seen = self.view(value)
        base, distance = self.places[seen.root]
        apart = group_stride(seen)
        return f"{base} + {seen.offset} + g * {apart}, {distance}"

    def _reduction(self, value: Value) -> list[str]:
        """Sum or maximum; along the last axis with a register, else register by register."""
        x, axes = value.args[0], value.attrs
        seen, rank = self.view(x), len(x.shape)
        kept = [a for a in range(rank) if a not in axes]
        last = rank - 1
        along = last in axes
        start = "splat(0)" if value.op == "sum" else "splat(-INFINITY)"
        join = "total += x;" if value.op == "sum" else "total = maximum_(total, x);"
        target, distance = self.places[value]
        out = row_major(value.shape)
        lines = [
            ("LEADER " if along else "") + "for (int64_t r = 0; r < rows; r++) {",
            self._pointer(seen, "q"),
            f"real* o = {target} + r * {distance};",
        ]
        around = [a for a in kept if a != last]
        lines += [f"for (int64_t i{a} = 0; i{a} < {x.shape[a]}; i{a}++) {{" for a in around]
        address = " + ".join(["q", *(f"i{a} * {seen.strides[a]}" for a in range(last))])
        load = self._load(View(seen.root, 0, (1,), (1,)), "base", seen.strides[-1:])
        inner = f"auto* base = {address}; vec x = {load};"
        outer = [a for a in axes if a != last]
        loops = " ".join(f"for (int64_t i{a} = 0; i{a} < {x.shape[a]}; i{a}++) {{" for a in outer)
        place = " + ".join(["o", *(f"i{a} * {out[a]}" for a in around)])
        close = "}" * len(outer)
        if along:
            fill = "x = lane.keep(x, total);" if value.op == "max" else ""
            lines += [
                f"vec total = {start};",
                "auto body = [&](auto lane, int64_t j) {",
                f"{loops} {inner} {fill} {join} {close} }};",
                *_along(x.shape[-1], whole=True),
                f"*({place}) = lanes_{value.op}(total);",
            ]
        else:
            lines += [
                f"auto body = [&](auto lane, int64_t j) {{ vec total = {start}; "
                f"{loops} {inner} {join} {close} lane.store({place} + j, total); }};",
                *_along(x.shape[-1]),
            ]
        return [*lines, *("}" for _ in around), "}"]


def nest_sum(seen: View, time: str, row: str, target: str, base: str) -> list[str]:
    """Add a value, at all steps of a block and all rows of a tile, to its sum at `target`."""
    shape = seen.shape
    sizes, strides = collapsed(shape, [seen.strides, row_major(shape)])
    outer = sizes[:-1]
    place = f"{_address(base, strides[0])} + {seen.offset} + t * {time} + r * {row}"
    element = {0: f"splat(*({place}))", 1: f"lane.load({place} + j)"}.get(
        strides[0][-1], f"gather(lane, {place} + j * {strides[0][-1]}, {strides[0][-1]})"
    )
    if seen.root.op == "number":
        element = f"splat({_literal(seen.root.attrs)})"
    total = f"{_address(target, strides[1])} + j"
    return [
        "{",
        *(
            f"for (int64_t i{axis} = 0; i{axis} < {n}; i{axis}++) {{"
            for axis, n in enumerate(outer)
        ),
        "auto body = [&](auto lane, int64_t j) {",
        f"vec total = lane.load({total});",
        "for (int64_t t = 0; t < steps; t++)",
        f"for (int64_t r = 0; r < tall; r++) total += {element};",
        f"lane.store({total}, total);",
        "};",
        *_along(sizes[-1]),
        *("}" for _ in outer),
        "}",
    ]


def copies(phase: Phase) -> frozenset[Value]:
    """Rearrangements that have memory of their own."""
    return frozenset(v for s in phase.schedule.stages for v in s.values if v.op in ir.VIEWS)


def group_stride(seen: View) -> int:
    """The distance between the last axes of a value; where there is one only, any."""
    return seen.strides[-2] if len(seen.shape) > 1 else 0


def _along(size: int, whole: bool = False) -> list[str]:
    """Call `body` for every register of a row, or of a thread's share of it."""
    begin, end = ("0", str(size)) if whole else (f"FROM({size})", f"TO({size})")
    lines = [
        f"int64_t j = {begin};",
        f"for (; j + LANES <= {end}; j += LANES) body(Full{{}}, j);",
    ]
    # Rows of 16 elements are whole registers on every machine.
    return lines if size % 16 == 0 else [*lines, f"if (j < {end}) body(Part{{{end} - j}}, j);"]


def aligned(seen: View, shape: Shape) -> View:
    """A view broadcast to the shape of a loop."""
    lead = len(shape) - len(seen.shape)
    kept = zip(seen.shape, seen.strides, shape[lead:], strict=True)
    strides = (0,) * lead + tuple(0 if n == 1 else s for n, s, _ in kept)
    return View(seen.root, seen.offset, shape, strides)


def collapsed(
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


def _literal(value: float) -> str:
    if value != value:
        return "real(NAN)"
    if value in (float("inf"), float("-inf")):
        return f"real({'-' if value < 0 else ''}INFINITY)"
    return f"real({value!r})"
