"""Where the values of a program lie: at ports, in memory for a block of steps, or for one phase."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ostinato.engines.fused import ir
from ostinato.engines.fused.ir import Value
from ostinato.engines.fused.phases import LOOP, Phase, Phases
from ostinato.engines.fused.program import Program

# Rows that go through time together: enough to use a weight often, few enough for the caches.
TILE = 32
# What is kept of a block of steps, in elements: it should stay in the second cache.
_BLOCK = 2**18
_MOST_ROWS = 512


@dataclass(frozen=True)
class Place:
    """The text of a pointer, and of its distances in time and between rows.

    Attributes:
        name: of the pointer where it is declared; n_name is the distance there.
        base: the first row of the first step.
        time: between steps.
        row: between rows.
        first: the step that `base` belongs to.
    """

    name: str
    base: str
    time: str
    row: str
    first: str = "0"

    @property
    def declaration(self) -> str:
        """The pointer to row `q` of step `t`, and the distance of the rows of a run."""
        tile = "0" if self.row == "0" else "q" if self.first == "t0" else "(r0 + q)"
        return (
            f"real* {self.name} = {self.base} + (t - {self.first}) * {self.time} + {tile} * "
            f"{self.row}; const int64_t n_{self.name} = along ? {self.time} : {self.row};"
        )


class Places:
    """All places of a program.

    Args:
        program: the program.
        phases: its parts.
        ports: the names of its ports, in order.

    Attributes:
        fixed: of values that more than one phase sees.
        late: of carried leaves, as the phase after the loop sees them.
        states: base of two buffers for each carried leaf.
        room: rows of a block.
        size: elements of memory needed.
    """

    def __init__(self, program: Program, phases: Phases, ports: list[str]) -> None:
        self.phases, self.ports, self.size = phases, ports, 0
        self.fixed: dict[Value, Place] = {}
        for port, value in (program.read | program.results).items():
            if port in program.read or value in phases.computed:
                self.fixed.setdefault(value, self.port(port))
        for port, leaf in program.constants.items():
            self.fixed[leaf] = Place(port, f"p[{ports.index(port)}]", "0", "0")
        blocked = [phase for phase in phases.phases if phase.name != LOOP]
        kept = [v for v in phases.computed if v in phases.kept and v not in self.fixed]
        copied = [leaf for leaf in program.carried if leaf in phases.copied]
        width = sum(padded(value) for value in (*kept, *copied))
        width += max(sum(map(padded, self._own(phase))) for phase in blocked)
        self.room = max(TILE, min(_MOST_ROWS, _BLOCK // max(width, 1)))
        self.fixed |= {v: self._blocked(f"kept_{i}", v) for i, v in enumerate(kept)}
        self.late = {v: self._blocked(f"late_{i}", v) for i, v in enumerate(copied)}
        self.states = {leaf: self._take(2 * TILE, leaf) for leaf in program.carried}
        self._shared = self.size

    def port(self, name: str) -> Place:
        """The place of a port (T, B, ...)."""
        i = self.ports.index(name)
        return Place(name, f"p[{i}]", f"s[{2 * i}]", f"s[{2 * i + 1}]")

    def local(self, phase: Phase) -> dict[Value, tuple[str, str]]:
        """Pointer and distance of what lies in memory inside one phase only."""
        rows = TILE if phase.name == LOOP else self.room
        found: dict[Value, tuple[str, str]] = {}
        end, self.size = self.size, self._shared
        own = self._own(phase)
        fixed = {value: (place.name, f"n_{place.name}") for value, place in self.fixed.items()}
        for whole in [*own, *(stage.values[0] for stage in phase.schedule.stages)]:
            if whole.op == "concat" and whole.attrs == 0:
                if whole in own and whole not in found:
                    found[whole] = (self._take(rows, whole), str(padded(whole)))
                found |= _inside(whole, (fixed | found)[whole], fixed | found)
        for value in own:
            if value not in found:
                found[value] = (self._take(rows, value), str(padded(value)))
        self.size = max(end, self.size)
        return found

    def _own(self, phase: Phase) -> list[Value]:
        """What goes through memory inside a phase only."""
        stored = phase.schedule.stored
        values = [v for stage in phase.schedule.stages for v in stage.values if v in stored]
        return [v for v in values if v not in self.fixed and v not in self.phases.kept]

    def _blocked(self, name: str, value: Value) -> Place:
        n = padded(value)
        return Place(name, self._take(self.room, value), f"(tall * {n})", str(n), first="t0")

    def _take(self, rows: int, value: Value) -> str:
        start = self.size
        self.size += rows * padded(value)
        return f"(memory + {start})"


def _inside(
    whole: Value, place: tuple[str, str], taken: Iterable[Value]
) -> dict[Value, tuple[str, str]]:
    """Parts of a flat concatenation are computed where they belong, without a copy."""
    base, distance = place
    found, offset = {}, 0
    for part in whole.args:
        if part.op in ir.POINTWISE and part not in taken and part not in found:
            found[part] = (f"({base} + {offset})", distance)
        offset += part.size
    return found


def padded(value: Value) -> int:
    """Elements of a row in memory: rows begin at a multiple of the longest register."""
    return -(-value.size // 16) * 16
