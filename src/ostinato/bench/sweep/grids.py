"""The tables there are: which questions each of them asks, in the order in which they are asked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product

from ostinato.bench.measure import MODES
from ostinato.bench.sweep.entry import Question, Spot

# What users have else, besides generated code and all steps together.
_PEERS = ("torch", "flashrnn", "accelerated-scan", "pararnn", "flash-linear-attention")


@dataclass(frozen=True)
class Grid:
    """A table to be measured.

    Attributes:
        name: what the command calls it.
        title: above the table.
        spots: cells and sizes; those that differ in T only with rising T.
        engines: that are compared; the first is the one that others are related to.
        modes: of the passes.
        shows: "ms", "peak" or "roof".
        axis: the attribute of a spot along which the picture goes.
    """

    name: str
    title: str
    spots: Sequence[Spot]
    engines: Sequence[str]
    modes: Sequence[str] = MODES
    shows: str = "ms"
    axis: str = "steps"

    def questions(self) -> list[Question]:
        """All of them, so that what is said first is asked first."""
        return [
            Question(*each)
            for each in product(self.spots, self.engines, self.modes)
            if each[1] != "parallel" or each[0].cell in _TOGETHER
        ]


# With dense Jacobians of hundreds of units, all steps together take minutes.
_TOGETHER = {
    "DiagonalStep", "ParaGRU", "ParaLSTM", "MinGRU", "MinLSTM", "RGLRU", "HGRN", "LRU", "S5",
}  # fmt: skip


def _heads() -> Iterator[Spot]:
    """The sizes of FlashRNN's figures: heads at one width, then rows and steps."""
    splits = ((12, 64), (1, 768), (48, 16), (24, 32), (6, 128), (3, 256))
    for heads, size in splits:
        yield Spot("LSTM", heads * size, 16, 1024, heads)
    for cell in ("SLSTM", "GRU", "Elman", "HeadsStep"):
        for heads, size in splits[:3]:
            yield Spot(cell, heads * size, 16, 1024, heads)
    for heads, size in splits[:2]:
        for batch in (2, 64, 256):
            yield Spot("LSTM", heads * size, batch, 1024, heads)
        for steps in (256, 2048):
            yield Spot("LSTM", heads * size, 16, steps, heads)


def _cells() -> Iterator[Spot]:
    """Cells that differ in what they compute, at one size."""
    for cell in (
        "LSTM", "GRU", "Elman", "LayerNormLSTM", "SLSTM", "MinimalGated", "ParaGRU", "ParaLSTM",
        "MinGRU", "MinLSTM", "RGLRU", "HGRN", "LRU", "S5",
    ):  # fmt: skip
        yield Spot(cell, 64, 32, 512)


def _lengths() -> Iterator[Spot]:
    # Newton's method on ParaLSTM holds 30 tensors of this size: 60 GiB for the longest.
    for cell in ("ParaGRU", "ParaLSTM", "DiagonalStep"):
        for exponent in range(8, 21, 2):
            yield Spot(cell, 128, 4, 2**exponent)


def _memory() -> Iterator[Spot]:
    for cell in ("LSTM", "GRU", "ParaGRU"):
        for batch, hidden in ((16, 128), (64, 128), (64, 512)):
            for exponent in (8, 10, 12):
                yield Spot(cell, hidden, batch, 2**exponent)


def _roofline() -> Iterator[Spot]:
    for cell, hidden, heads in (
        ("LSTM", 128, 1), ("LSTM", 512, 1), ("LSTM", 768, 12), ("GRU", 128, 1), ("GRU", 512, 1),
        ("SLSTM", 768, 12), ("ParaGRU", 512, 1), ("MinGRU", 512, 1), ("DiagonalStep", 512, 1),
    ):  # fmt: skip
        for batch in (16, 256):
            yield Spot(cell, hidden, batch, 1024, heads)


def _matrices() -> Iterator[Spot]:
    """A decay for each head, and for each key; erasing, or not."""
    for cell in ("Mamba2", "GatedDeltaNet", "GatedLinearAttention", "RWKV7"):
        for size in (64, 128):
            for steps in (1024, 4096, 16384):
                yield Spot(cell, 4 * size, 8, steps, 4)


_OURS = ("fused", "parallel")
GRIDS = {
    grid.name: grid
    for grid in (
        Grid(
            "heads",
            "Generated code against the loop, cuDNN and FlashRNN",
            tuple(_heads()),
            ("reference", "fused", "torch", "flashrnn"),
            axis="head size",
        ),
        Grid(
            "cells",
            "Cells in generated code and all steps together, against the loop and torch's modules",
            tuple(_cells()),
            ("reference", *_OURS, "torch"),
        ),
        Grid(
            "lengths",
            "Steps in turn, in Python and in generated code, against all steps together",
            tuple(_lengths()),
            ("reference", *_OURS, "accelerated-scan", "pararnn"),
        ),
        Grid(
            "matrices",
            "Matrix states: generated code against chunks and flash-linear-attention",
            tuple(_matrices()),
            ("fused", "chunk", "flash-linear-attention"),
        ),
        Grid(
            "memory",
            "Memory of a training pass",
            tuple(_memory()),
            ("reference", *_OURS, "torch"),
            (MODES[1],),
            shows="peak",
        ),
        Grid(
            "roofline",
            "Rates of passes beside those of a copy and of a product of matrices",
            tuple(_roofline()),
            (*_OURS, *_PEERS),
            shows="roof",
        ),
    )
}


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
                steps=min(spot.steps, 2**11) // 2**7)
        for spot in grid.spots
    )  # fmt: skip
    return replace(grid, spots=tuple(dict.fromkeys(spots)))
