"""Text that finds, reads and writes the numbers of lanes in memory.

A port is a tensor (chunks or steps, lanes, channels). What a kernel is told of it is a pointer
and distances in numbers: `_time`, `_lane_0` … for the axes that the lanes have in memory, and
`_row` and `_column` of a channel.
"""

from __future__ import annotations

from dataclasses import dataclass

from ostinato.engines.parallel.device.algebra import Algebra

_MATRICES = frozenset({"a", "product", "grad"})
MASKS = ("identity", "cut")


@dataclass(frozen=True)
class Ports:
    """The ports of a kernel.

    Attributes:
        algebra: of what lies there.
        axes: of the lanes in memory.
        real: the type of numbers.
    """

    algebra: Algebra
    axes: int
    real: str

    def channels(self, port: str) -> int:
        """How many axes the channels have: 2 for matrices, 1 for vectors, 0 for masks."""
        return 0 if port in MASKS else 2 if port in _MATRICES else 1

    def arguments(self, port: str) -> list[str]:
        """What a kernel is told of a port."""
        places = [*(f"lane_{axis}" for axis in range(self.axes)), "row", "column"]
        return [port, *(f"{port}_{each}" for each in ("time", *places)[: self._count(port)])]

    def _count(self, port: str) -> int:
        return 1 + self.axes + (self.channels(port) if self.algebra.size > 1 else 0)

    def begin(self, port: str, start: str) -> str:
        """Set the pointer to the lanes of the program at a step or a chunk."""
        along = " + ".join(f"lane_{axis} * {port}_lane_{axis}" for axis in range(self.axes))
        return f"{port} = {port} + {start} * {port}_time + ({along})"

    def advance(self, port: str) -> str:
        """Move on by a step."""
        return f"{port} += {port}_time"

    def load(
        self, port: str, name: str, conjugate: bool = False, fresh: bool = False
    ) -> dict[str, str]:
        """The texts that read a port, by the names of the blocks; `fresh` is past the first cache,
        which does not hear of what other processors write.
        """
        cached = ", cache_modifier='.cg'" if fresh else ""
        if port in MASKS:
            return {f"is_{name}": f"tl.load({port}, mask=live, other=0) != 0"}
        found = {}
        for block, where in self._blocks(port, name):
            text = f"tl.load({where}, mask=live, other=0{cached}).to(tl.{self.real})"
            found[block] = f"-{text}" if conjugate and block.endswith("_im") else text
        return found

    def store(self, port: str, name: str) -> list[str]:
        """Write blocks to a port."""
        return [f"tl.store({at}, {block}, mask=live)" for block, at in self._blocks(port, name)]

    def _blocks(self, port: str, name: str) -> list[tuple[str, str]]:
        """Every block, and where it lies."""
        algebra, found = self.algebra, []
        for place in algebra.places(self.channels(port)):
            where = port
            if algebra.size > 1:
                steps = zip(place, ("row", "column"), strict=False)
                where += "".join(f" + {i} * {port}_{axis}" for i, axis in steps)
            for part, block in enumerate(algebra.number(name, *place)):
                found.append((block, where + (f" + {part}" if part else "")))
        return found

    def find_lanes(self) -> list[str]:
        """The coordinates of the lanes of the program, and which of them there are."""
        lines = ["lane_0 = tl.program_id(0) * N + tl.arange(0, N)", "live = lane_0 < lanes"]
        for axis in range(self.axes - 1, 0, -1):
            lines += [f"lane_{axis} = lane_0 % n_{axis}", f"lane_0 = lane_0 // n_{axis}"]
        return lines + [f"lane_{axis} = lane_{axis}.to(tl.int64)" for axis in range(self.axes)]

    @property
    def sizes(self) -> list[str]:
        """What a kernel is told of the lanes."""
        return ["lanes", *(f"n_{axis}" for axis in range(1, self.axes))]
