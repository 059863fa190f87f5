"""A picture of a wiring: groups of units in columns, inputs first, synapses between them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from ostinato.analysis.finding import Finding, Table
from ostinato.cells.wiring import Wiring

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__papers__ = ("sparse-lowrank-cfc",)


@dataclass(frozen=True)
class WiringDiagram(Finding):
    """Who is joined with whom.

    Attributes:
        wiring: of a cell.
    """

    wiring: Wiring

    @property
    def _columns(self) -> list[tuple[str, int, int]]:
        """Name, first number and size of each column of the picture; inputs are the last units."""
        spans = ((name, self.wiring.span(name)) for name in reversed([*self.wiring.groups]))
        groups = [(name, span.start, span.stop - span.start) for name, span in spans]
        return [("inputs", self.wiring.units, self.wiring.inputs), *groups]

    @property
    def _joined(self) -> torch.Tensor:
        """(H, H + D): row i receives from unit or input j."""
        return torch.cat([self.wiring.synapses, self.wiring.sensory], 1)

    def table(self) -> Table:
        """One row for each pair of groups that is joined."""
        rows = []
        for source, first, size in self._columns:
            for target in self.wiring.groups:
                part = self._joined[self.wiring.span(target), first : first + size]
                counts = [int((part == sign).sum()) for sign in (1, -1)]
                if any(counts):
                    rows.append([source, target, *counts, sum(counts) / part.numel()])
        return Table(["from", "to", "excite", "inhibit", "density"], rows)

    def draw(self, axes: Axes) -> None:
        """Columns from inputs to motor units; what excites is solid, what inhibits dashed."""
        places = dict[int, tuple[float, float]]()
        for x, (_, first, size) in enumerate(self._columns):
            places |= {first + k: (x, (k + 0.5) / size) for k in range(size)}
        for target, source in self._joined.nonzero().tolist():
            sign = int(self._joined[target, source])
            ends = zip(places[source], places[target], strict=True)
            style, color = ("-", "C0") if sign > 0 else ("--", "C3")
            axes.plot(*ends, style, color=color, linewidth=0.6, alpha=0.6)
        axes.scatter(*zip(*places.values(), strict=True), color="black", zorder=3)
        axes.set_xticks(range(len(self._columns)), [name for name, _, _ in self._columns])
        axes.set_yticks([])


def wiring_diagram(wiring: Wiring) -> WiringDiagram:
    """Look at a wiring.

    Args:
        wiring: of `ostinato.cells.wiring`.
    """
    return WiringDiagram(wiring)
