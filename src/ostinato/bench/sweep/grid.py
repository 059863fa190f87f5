"""What a table is made of: cells and sizes, what is compared there, and what is shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product

from ostinato.bench.measure import MODES
from ostinato.bench.sweep.entry import Question, Spot

_AFFINE = {"DiagonalStep", "MinGRU", "MinLSTM", "RGLRU", "HGRN"}
_TORCHS = {"LSTM", "GRU", "Elman"}
# Cells that a side takes, where it does not take all; with dense Jacobians of hundreds of units,
# all steps together would take minutes.
_TAKES = {
    "parallel": _AFFINE | {"ParaGRU", "ParaLSTM", "LRU", "S5"},
    "accelerated-scan": _AFFINE,
    "pararnn": _AFFINE,
    "torch": _TORCHS,
    "flashrnn": _TORCHS | {"SLSTM"},
    "flash-linear-attention": {"Mamba2", "GatedDeltaNet", "GatedLinearAttention", "RWKV7"}
    | {f"Updates-{n}" for n in range(1, 5)},
}
# Those that have no heads.
_WHOLE = {"torch"}


@dataclass(frozen=True)
class Grid:
    """A table to be measured.

    Attributes:
        name: what the command calls it.
        title: above the table.
        spots: cells and sizes, what is asked first in front; of those that differ in T only, the
            shortest.
        engines: that are compared, or other sides; the first is the one that others are related to.
        modes: of the passes.
        shows: quantities of `columns.WRITE`, a table for each; or "roof" alone.
        axis: the attribute of a spot along which the picture goes.
    """

    name: str
    title: str
    spots: Sequence[Spot]
    engines: Sequence[str]
    modes: Sequence[str] = MODES
    shows: Sequence[str] = ("ms", "error")
    axis: str = "steps"

    def questions(self) -> list[Question]:
        """All of them, so that what is said first is asked first."""
        return [
            Question(*each)
            for each in product(self.spots, self.engines, self.modes)
            if takes(each[1], each[0])
        ]


def takes(engine: str, spot: Spot) -> bool:
    """Whether a side is asked for a cell at all."""
    if engine in _WHOLE and spot.heads > 1:
        return False
    return spot.cell in _TAKES.get(engine, {spot.cell})


def in_dtype(grid: Grid, dtype: str) -> Grid:
    """The same questions of other numbers, under a name of their own unless they are float32."""
    if dtype == "float32":
        return grid
    spots = tuple(replace(spot, dtype=dtype) for spot in grid.spots)
    return replace(grid, name=f"{grid.name}-{dtype}", spots=spots)


def shortened(grid: Grid) -> Grid:
    """The same questions at the least sizes: they show that it works, not how fast."""
    spots = (
        replace(spot, hidden=2 * min(spot.heads, 2), heads=min(spot.heads, 2), batch=2,
                steps=max(2, min(spot.steps, 2**11) // 2**7))
        for spot in grid.spots
    )  # fmt: skip
    return replace(grid, spots=tuple(dict.fromkeys(spots)))
