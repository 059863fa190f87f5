"""How near compiled chunks come to the rate at which torch multiplies large matrices.

python -m ostinato.bench.chunk_rate 64 128 --steps 4096
python -m ostinato.bench.chunk_rate 64 --loop

Operations are those of the chunk form itself, two for a multiplication and an addition, of
triangles the half that is not zero; exponentials, scaling and copies count as nothing. With
`--loop` chunks are timed beside the plain loop over steps instead (`chunk_loop`).
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import torch

from ostinato.bench.chunk_kinds import KINDS, Kind, check, drawn
from ostinato.bench.chunk_loop import SIZES, Gain, gains
from ostinato.bench.machine import Company, crowded
from ostinato.bench.measure import compare
from ostinato.engines.chunk import kernel
from ostinato.engines.chunk.recurrence import chunk_size
from ostinato.train.run import threads

# Rows and columns of the matrices that torch multiplies.
_SQUARE = 512
_HEADS = 4


class Rate(NamedTuple):
    """One line of the table.

    Attributes:
        kind: of `KINDS`.
        width: K = V.
        way: "forward", or "backward" alone.
        share: operations a second over those of torch's product.
        milliseconds: median.
        crowded: whether others took the core.
    """

    kind: str
    width: int
    way: str
    share: float
    milliseconds: float
    crowded: bool


def operations(kind: Kind, width: int, size: int) -> tuple[int, int]:
    """Of one chunk of `size` steps, forward and backward."""
    rows = size * kind.updates
    state = 2 * width * width
    # What q and erase keys see of the rows written: triangles of size · rows and rows · rows.
    triangles = width * (size + rows * kind.erases) * rows
    reads = size + rows * kind.erases
    forward = state * (reads + rows) + 2 * triangles
    # Weights once more, dN, and of the rows read and written the gradients.
    backward = state * (2 * reads + 2 * rows) + 5 * triangles
    return forward, backward


def rates(name: str, width: int, steps: int, repeats: int) -> Iterator[Rate]:
    """Forward and backward of one kind, on one thread, each beside torch's product.

    Args:
        name: of `KINDS`.
        width: K = V.
        steps: T.
        repeats: pairs of samples behind each share.

    Raises:
        OstinatoError: if chunks do not compute what single steps do.
    """
    kind, size = KINDS[name], chunk_size(steps, KINDS[name].updates)
    check(name, width, size)
    given, state = drawn(kind, 1, steps, _HEADS, width)
    o, last, kept = kernel.forward(given, state, 1.0, size, True)
    assert kept is not None
    grads = torch.randn_like(o), torch.randn_like(last)
    square = torch.randn(_SQUARE, _SQUARE)
    product = torch.empty_like(square)
    ways = {
        "forward": lambda: kernel.forward(given, state, 1.0, size, False),
        "backward": lambda: kernel.backward(given, kept, *grads, 1.0, size),
    }
    for (way, ours), count in zip(ways.items(), operations(kind, width, size), strict=True):
        company = Company()
        with threads(1):
            timing = compare(ours, lambda: torch.mm(square, square, out=product), repeats)
        share = timing.ratio * count * _HEADS * (steps // size) / (2 * _SQUARE**3)
        busy = crowded(1, company.cores())
        yield Rate(name, width, way, share, timing.ours_ms, busy)


def main(arguments: list[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0] if __doc__ else None)
    parser.add_argument("widths", nargs="*", type=int, default=[64], help="K = V")
    parser.add_argument("--steps", type=int, default=4096, help="T, a multiple of the chunk")
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--loop", action="store_true", help="beside the loop over steps instead")
    given = parser.parse_args(arguments)
    _print(Gain._fields if given.loop else Rate._fields)
    for width in given.widths:
        for name in KINDS:
            for size in SIZES if given.loop else ():
                for gain in gains(name, width, size, given.repeats):
                    _print(gain)
            for rate in () if given.loop else rates(name, width, given.steps, given.repeats):
                _print(rate)


def _print(line: Iterable[object]) -> None:
    cells = (f"{cell:.2f}" if isinstance(cell, float) else str(cell) for cell in line)
    print(*(f"{cell:>22}" for cell in cells), flush=True)


if __name__ == "__main__":
    main()
