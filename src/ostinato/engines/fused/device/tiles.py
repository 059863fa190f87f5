"""How much of a batch one program of a device takes: candidates, and the cheapest of them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from ostinato.engines.fused.device.blocks import power_of_two
from ostinato.engines.fused.device.source import Source

# Programs that run side by side on a large device.
_MULTIPROCESSORS = 132
# Rows of the smallest product that the device's units compute at once.
_PRODUCT_ROWS = 16
# Elements of a block for each thread: more spill, fewer do not hide the latency of a step.
_EACH = 4
_MOST_WARPS = 8


@dataclass(frozen=True)
class Tile:
    """The part of one program.

    Attributes:
        rows: of the batch, a power of two.
        units: elements of a row; 0: all.
        warps: of 32 threads.
    """

    rows: int
    units: int
    warps: int

    def grid(self, rows: int, elements: int) -> tuple[int, int]:
        """How many programs along the rows, and along the elements."""
        return -(-rows // self.rows), -(-elements // self.units) if self.units else 1


def candidates(source: Source, rows: int) -> Iterator[Tile]:
    """The tiles that a kernel can take.

    Args:
        source: the kernel.
        rows: B.
    """
    least = _PRODUCT_ROWS if source.products else 1
    heights = [n for n in (1, 2, 4, 8, 16, 32, 64) if least <= n <= max(least, power_of_two(rows))]
    whole = power_of_two(source.elements or source.widest)
    widths = [n for n in (32, 64, 128, 256) if n <= whole] or [whole]
    widths = [source.head] if source.head else widths
    for height in heights:
        for width in widths if source.elements else [0]:
            size = height * (width or whole)
            warps = min(_MOST_WARPS, max(1, size // (32 * _EACH)))
            yield Tile(height, width, max(warps, 4) if source.products else warps)


def choose(source: Source, rows: int) -> Tile:
    """The tile whose programs are estimated to be done first; of equal ones the first."""
    return min(candidates(source, rows), key=lambda tile: _cost(source, tile, rows))


def _cost(source: Source, tile: Tile, rows: int) -> tuple[float, int]:
    """Time of a step: elements for each thread, once for each wave of programs; then rows."""
    programs = math.prod(tile.grid(rows, source.elements))
    size = tile.rows * (tile.units or power_of_two(source.widest))
    waves = -(-programs // (_MULTIPROCESSORS * max(1, _MOST_WARPS // tile.warps)))
    return waves * (1 + size / (32 * tile.warps)), tile.rows
