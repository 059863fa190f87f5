"""How much of a batch one program of a device takes: what fits, the best estimate first."""

from __future__ import annotations

from dataclasses import dataclass

from ostinato.engines.fused.device.blocks import power_of_two
from ostinato.engines.fused.device.constraints import Constraint, UnsatisfiableError, solutions
from ostinato.engines.fused.device.estimate import spilled, step_time
from ostinato.engines.fused.device.multiply import RESIDENT
from ostinato.engines.fused.device.source import Source
from ostinato.engines.fused.device.target import Target
from ostinato.engines.fused.layout import LowerError
from ostinato.engines.rates import Rates

# Rows of the smallest product that the device's units compute at once.
_PRODUCT_ROWS = 16
_HEIGHTS = (1, 2, 4, 8, 16, 32, 64)
_WIDTHS = (32, 64, 128, 256)
_WARPS = (1, 2, 4, 8)
_STAGES = (1, 2, 3)
# Numbers of one block for each thread: with more, not even what a step begins with is held.
_MOST_EACH = 128


@dataclass(frozen=True)
class Tile:
    """The part of one program.

    Attributes:
        rows: of the batch, a power of two.
        units: elements of a row; 0: all.
        warps: of 32 threads.
        stages: parts of a matrix from memory that are on their way at once.
    """

    rows: int
    units: int
    warps: int
    stages: int = 1

    @property
    def name(self) -> str:
        """Its numbers."""
        return f"{self.rows}×{self.units or 'all'}, {self.warps} warps, {self.stages} stages"

    def grid(self, rows: int, elements: int) -> tuple[int, int]:
        """How many programs along the rows, and along the elements."""
        return -(-rows // self.rows), -(-elements // self.units) if self.units else 1


def candidates(source: Source, rows: int, target: Target) -> list[Tile]:
    """The tiles that a kernel can take.

    Args:
        source: the kernel.
        rows: B.
        target: the device.

    Raises:
        LowerError: if there is none, with what is asked too much.
    """
    whole = power_of_two(source.elements or source.widest)
    widths = [n for n in _WIDTHS if n <= whole] or [whole]
    domains = {
        "rows": _HEIGHTS,
        "units": ([source.head] if source.head else widths) if source.elements else [0],
        "warps": _WARPS,
        "stages": _STAGES if source.chunks > 1 else (1,),
    }
    try:
        found = solutions(domains, _constraints(source, rows, target))
    except UnsatisfiableError as error:
        raise LowerError(f"no tile fits {target.name}: {error}") from error
    return [Tile(**each) for each in found]


def ordered(source: Source, rows: int, target: Target, rates: Rates) -> list[Tile]:
    """The same, the fastest by the estimate first; of equal ones what spills less, is smaller."""

    def cost(tile: Tile) -> tuple[float, ...]:
        time = step_time(source, tile, rows, target, rates)
        return time, spilled(source, tile), tile.rows, tile.units, tile.warps, tile.stages

    return sorted(candidates(source, rows, target), key=cost)


def choose(source: Source, rows: int, target: Target, rates: Rates) -> Tile:
    """The tile of the best estimate."""
    return ordered(source, rows, target, rates)[0]


def _constraints(source: Source, rows: int, target: Target) -> list[Constraint]:
    least, fewest = (_PRODUCT_ROWS, 4) if source.products else (1, 1)
    whole = power_of_two(source.widest)

    def needed(height: int) -> int:
        return _shared(source, height)

    return [
        Constraint(
            f"rows of a program from {least} to those of the batch",
            ("rows",),
            lambda height: least <= height <= max(least, power_of_two(rows)),
        ),
        Constraint(
            f"at most {target.shared:,} bytes of shared memory, of which products with "
            f"{source.products:,} weights need {needed(least):,}",
            ("rows",),
            lambda height: needed(height) <= target.shared,
        ),
        Constraint(
            f"{fewest} warps or more, and at most {target.warps} with all their registers",
            ("warps",),
            lambda warps: fewest <= warps <= target.warps,
        ),
        Constraint(
            f"blocks of {whole} elements for {least} rows or more in the registers of a program",
            ("rows", "units", "warps"),
            lambda height, units, warps: height * (units or whole) <= _MOST_EACH * 32 * warps,
        ),
        Constraint(
            f"an element or more for each thread beyond {fewest} warps",
            ("rows", "units", "warps"),
            lambda height, units, warps: warps == fewest or height * (units or whole) >= 32 * warps,
        ),
    ]


def _shared(source: Source, height: int) -> int:
    """Bytes for matrices that stay on chip, taken apart in three products, and for rows."""
    if not source.products or source.products > RESIDENT[source.precision]:
        return 0
    size = 8 if source.real == "tl.float64" else 4
    apart = {"tf32x3": 2.0, "bf16": 0.5, "fp16": 0.5}.get(source.precision, 1.0)
    return int(size * (apart * source.products + 2 * height * source.widest))
