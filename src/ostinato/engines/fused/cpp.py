"""C++ for one direction of a core: tiles of rows outside, then blocks of steps, then steps.

Every tensor that crosses the border is a port: a pointer with a stride in time and one between
rows. Time always runs upwards here; a caller that wants it reversed passes the last step and a
negative stride. A caller that passes no address for an optional port does without it.
"""

from __future__ import annotations

from collections.abc import Iterable

from ostinato.engines.fused.emit import Emitter, group_stride, nest_sum
from ostinato.engines.fused.ir import Value
from ostinato.engines.fused.phases import AFTER, LOOP, Phase, cut
from ostinato.engines.fused.places import TILE, Place, Places, padded
from ostinato.engines.fused.program import Program, packed

# From here on a product over the rows of one step is as good as one over several steps.
_MANY = 4


class Writer:
    """Writes the C function of a program."""

    def __init__(self, program: Program) -> None:
        self.program, self.cut = program, cut(program)
        stages = [stage for phase in self.cut.phases for stage in phase.schedule.stages]
        products = [stage.values[0] for stage in stages if stage.kind == "matmul"]
        used = [packed(product.args[1], product.attrs) for product in products]
        self.ports = list(dict.fromkeys([*program.ports, *used]))
        self.places = Places(program, self.cut, self.ports)
        self.optional = {
            port for port, v in program.results.items() if v in products and v in self.cut.ends
        } | set(program.outers)

    def text(self) -> str:
        """The function."""
        before, loop, after = self.cut.phases
        body = [
            *self._block(before),
            *self._loop(loop),
            *self._block(after),
            *self._sums(after),
        ]
        lines = [
            f'extern "C" void {self.program.name}(real* const* p, const int64_t* s, int64_t T,',
            "    int64_t begin, int64_t end, Team* team, int64_t member) {",
            f"alignas(64) static thread_local real room[{max(self.places.size, 1)}];",
            "real* memory = room;",
            "#if TEAM",
            "LEADER team->memory = room;",
            "SYNC",
            "memory = team->memory;",
            "#endif",
            f"const int64_t all = end - begin, tiles = (all + {TILE - 1}) / {TILE};",
            "for (int64_t tile = 0; tile < tiles; tile++) {",
            "const int64_t r0 = begin + all * tile / tiles;",
            "const int64_t tall = begin + all * (tile + 1) / tiles - r0;",
            f"const int64_t most = {self.places.room} / tall, block = most < T ? most : T;",
            *self._enter(),
            "for (int64_t t0 = 0; t0 < T; t0 += block) {",
            "const int64_t steps = block < T - t0 ? block : T - t0;",
            *body,
            "}",
            *self._leave(),
            "SYNC",
            "}",
            "}",
        ]
        return "\n".join(lines)

    def _block(self, phase: Phase) -> list[str]:
        """A phase over all rows of a block of steps, in runs of evenly spaced rows."""
        emitter = self._emitter(phase)
        body = self._body(phase, emitter)
        if not body:
            return []
        fixed = self.places.fixed
        places = [fixed[value] for value in fixed if value in self.cut.crossing(phase)]
        places += map(self.places.port, self._moved(phase))
        ports = [p for p in dict.fromkeys(places) if p.first == "0" and p.time != "0"]
        even = " && ".join(f"{p.time} == tall * {p.row}" for p in ports) or "true"
        return [
            "{",
            f"const bool flat = {even}, along = !flat && tall < {_MANY};",
            "const int64_t rows = flat ? steps * tall : along ? steps : tall;",
            "const int64_t runs = flat ? 1 : along ? tall : steps;",
            "for (int64_t run = 0; run < runs; run++) {",
            "const int64_t t = along ? t0 : t0 + run, q = along ? run : 0;",
            *self._declarations(phase),
            *body,
            "}",
            "}",
        ]

    def _loop(self, phase: Phase) -> list[str]:
        emitter = self._emitter(phase)
        moves = [
            line
            for leaf, place in self.places.late.items()
            for line in emitter.copy(leaf, (place.name, f"n_{place.name}"))
        ]
        body = self._body(phase, emitter)
        for i, (leaf, value) in enumerate(self.program.carried.items()):
            body += emitter.copy(value, (f"next_{i}", str(padded(leaf))))
        body += ["SYNC"] if self.program.carried else []
        body += [
            f"{{ real* swap = state_{i}; state_{i} = next_{i}; next_{i} = swap; }}"
            for i in range(len(self.program.carried))
        ]
        return [
            "for (int64_t t = t0; t < t0 + steps; t++) {",
            "const int64_t q = 0, rows = tall;",
            "const bool along = false;",
            *self._declarations(phase),
            *moves,
            *body,
            "}",
        ]

    def _emitter(self, phase: Phase) -> Emitter:
        fixed = self.places.fixed | (self.places.late if phase.name == AFTER else {})
        named = {value: (place.name, f"n_{place.name}") for value, place in fixed.items()}
        if phase.name != AFTER:
            for i, leaf in enumerate(self.program.carried):
                named[leaf] = (f"state_{i}", str(padded(leaf)))
        ports = {port: self._port(port) for port in self.ports}
        return Emitter(phase, named | self.places.local(phase), ports)

    def _declarations(self, phase: Phase) -> list[str]:
        places = {**self.places.fixed, **self.places.late}.values()
        others = map(self.places.port, self._moved(phase))
        return [place.declaration for place in dict.fromkeys([*places, *others])]

    def _body(self, phase: Phase, emitter: Emitter) -> list[str]:
        """The stages, and what is put out without being computed at its port."""
        lines = []
        for stage in phase.schedule.stages:
            place = self.places.fixed.get(stage.values[0])
            text = emitter.stage(stage)
            if place is not None and place.name in self.optional:
                text = [f"if ({self._port(place.name)}) {{", *text, "}"]
            lines += [*text, "SYNC"]
        for port in self._moved(phase):
            lines += emitter.copy(self.program.results[port], (port, f"n_{port}"))
        return lines

    def _moved(self, phase: Phase) -> list[str]:
        """Ports of results that lie elsewhere when the phase ends that computed them."""
        found = []
        for port, value in self.program.results.items():
            place = self.places.fixed.get(value)
            late = self.cut.computed.get(self.cut.root(value)) == AFTER
            if (place is None or place.name != port) and phase.name == (AFTER if late else LOOP):
                found.append(port)
        return found

    # Entering and leaving.

    def _enter(self) -> list[str]:
        lines = []
        for i, (leaf, base) in enumerate(self.places.states.items()):
            n, first = padded(leaf), self.places.port(f"first_{i}")
            lines += [
                f"real* state_{i} = {base};",
                f"real* next_{i} = state_{i} + {TILE * n};",
                f"LEADER for (int64_t r = 0; r < tall; r++) std::memcpy(state_{i} + r * {n}, "
                f"{first.base} + (r0 + r) * {first.row}, {leaf.size} * sizeof(real));",
            ]
        return [*lines, "SYNC"] if lines else []

    def _leave(self) -> list[str]:
        lines = []
        for i, leaf in enumerate(self.places.states):
            n, last = padded(leaf), self.places.port(f"last_{i}")
            lines.append(
                f"LEADER for (int64_t r = 0; r < tall; r++) std::memcpy({last.base} + (r0 + r) * "
                f"{last.row}, state_{i} + r * {n}, {leaf.size} * sizeof(real));"
            )
        return lines

    # Sums over steps and rows.

    def _sums(self, phase: Phase) -> list[str]:
        emitter = self._emitter(phase)
        lines = []
        for port, value in self.program.sums.items():
            place = self._place(emitter, value)
            seen, target = emitter.view(value), self._port(port)
            lines += nest_sum(seen, place.time, place.row, target, place.name)
        for port, (entering, returning) in self.program.outers.items():
            k, n = entering.shape[-1], returning.shape[-1]
            sides = []
            for value in (entering, returning):
                seen, place = emitter.view(value), self._place(emitter, value)
                apart = f"{place.name} + {seen.offset} + g * {group_stride(seen)}"
                sides.append(f"{apart}, {place.time}, {place.row}")
            step, total = k * n if port in self.program.heads else 0, self._port(port)
            lines += [
                f"if ({total}) for (int64_t g = 0; g < {entering.size // k}; g++)",
                f"  outer_share(team, member, steps, tall, {k}, {n}, {', '.join(sides)}, "
                f"{total} + g * {step});",
            ]
        if not lines:
            return []
        head = ["const int64_t t = t0, q = 0;", "const bool along = false;"]
        return ["{", *head, *self._declarations(phase), *lines, "SYNC", "}"]

    def _place(self, emitter: Emitter, value: Value) -> Place:
        root = emitter.view(value).root
        if root.op == "number":
            return Place("", "", "0", "0")
        return (self.places.fixed | self.places.late)[root]

    def _port(self, name: str) -> str:
        return f"p[{self.ports.index(name)}]"


def source(programs: Iterable[Program], real: str) -> tuple[str, list[Writer]]:
    """One translation unit, and what wrote its functions.

    With `#define TEAM 1` before it, it is for a team of threads.
    """
    writers = [Writer(program) for program in programs]
    single = int(real == "float")
    head = f'#define SINGLE {single}\ntypedef {real} real;\n#include "team.h"\n'
    return head + "\n\n".join(writer.text() for writer in writers) + "\n", writers
