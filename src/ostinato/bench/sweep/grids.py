"""The tables there are: which questions each of them asks, in the order in which they are asked."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

from ostinato.bench.measure import MODES
from ostinato.bench.sweep.entry import Spot
from ostinato.bench.sweep.grid import Grid

# What users have else, besides generated code and all steps together.
_PEERS = ("torch", "flashrnn", "accelerated-scan", "pararnn")
# FlashRNN's: heads of one width, those first of which most is published.
_SPLITS = ((12, 64), (1, 768), (48, 16), (24, 32), (6, 128), (3, 256))
_OTHERS = ("SLSTM", "GRU", "Elman", "HeadsStep")


def _heads() -> Iterator[Spot]:
    """FlashRNN's table, then the same of other cells, then rows and steps at two head sizes."""
    for heads, size in _SPLITS:
        yield Spot("LSTM", heads * size, 16, 1024, heads)
    for cell, (heads, size) in product(_OTHERS, _SPLITS[:2]):
        yield Spot(cell, heads * size, 16, 1024, heads)
    for cell in ("LSTM", *_OTHERS):
        for heads, size in _SPLITS[:2]:
            for batch in (2, 256, 4, 8, 32, 64, 128):
                yield Spot(cell, heads * size, batch, 1024, heads)
            for steps in (256, 2048, 512):
                yield Spot(cell, heads * size, 16, steps, heads)
        for heads, size in _SPLITS[2:] if cell in _OTHERS else ():
            yield Spot(cell, heads * size, 16, 1024, heads)


def _loops() -> Iterator[Spot]:
    """Where the plain loop is to be helped."""
    for heads, size in _SPLITS:
        yield Spot("LSTM", heads * size, 16, 1024, heads)
    for cell in ("ParaGRU", "ParaLSTM"):
        yield Spot(cell, 256, 8, 1024)


def _cells() -> Iterator[Spot]:
    """Cells that differ in what they compute, at one size."""
    for cell in (
        "LSTM", "GRU", "Elman", "LayerNormLSTM", "SLSTM", "MinimalGated", "ParaGRU", "ParaLSTM",
        "MinGRU", "MinLSTM", "RGLRU", "HGRN", "LRU", "S5",
    ):  # fmt: skip
        yield Spot(cell, 64, 32, 512)


def _lengths() -> Iterator[Spot]:
    """ParaRNN's: its cells, a scan without weights, and an LSTM beside them."""
    for width, cell in product((256, 2048, 1024, 512), ("ParaGRU", "ParaLSTM", "LSTM")):
        for exponent in range(2, 17, 2):
            yield Spot(cell, width, 8, 2**exponent)
        if cell == "LSTM":
            for exponent in range(8, 17, 4):
                yield Spot("DiagonalStep", width, 8, 2**exponent)


def _surface() -> Iterator[Spot]:
    """DEER's: units, steps and rows."""
    for batch, size in product((16, 2), (1, 4, 16, 2, 8, 32)):
        for exponent in (10, 13, 16):
            yield Spot("GRU", size, batch, 2**exponent)


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


def _updates() -> Iterator[Spot]:
    """Matrices of 128 × 128 in 16 heads; the extremes of n first."""
    for n in (1, 4, 2, 3):
        for exponent in range(11, 16):
            yield Spot(f"Updates-{n}", 2048, 8, 2**exponent, 16)


def _lssl() -> Iterator[Spot]:
    """A learned system, whose kernel is computed at every pass, and one whose kernel is kept."""
    for size, kind in product((64, 256, 128), ("LSSL", "LSSL-f")):
        for exponent in (10, 12, 14, 16):
            yield Spot(f"{kind}-{size}", 256, 8, 2**exponent)


def _plstm() -> Iterator[Spot]:
    """Square grids, as of images, with the smallest layers of the paper."""
    for mode, side in product("PD", (14, 28, 64, 42)):
        yield Spot(f"pLSTM-{mode}", 192, 128, side**2, 3)


_OURS = ("fused", "parallel")
GRIDS = {
    grid.name: grid
    for grid in (
        Grid(
            "heads",
            "Generated code against the loop, cuDNN and FlashRNN",
            tuple(_heads()),
            ("reference", "fused", "torch", "on chip", "alternating", "flashrnn"),
            axis="head size",
        ),
        Grid(
            "loops",
            "The plain loop, compiled step by step, and recorded as a CUDA graph",
            tuple(_loops()),
            ("reference", "graph", "compiled step"),
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
            ("reference", *_OURS, "torch", "accelerated-scan", "pararnn"),
            shows=("ms", "iterations", "peak", "error"),
        ),
        Grid(
            "surface",
            "Newton's method on a GRU, by units, steps and rows",
            tuple(_surface()),
            ("reference", "Newton", "quasi", "ELK", "ELK smoother", "fused"),
            shows=("ms", "iterations", "each", "peak", "error"),
        ),
        Grid(
            "matrices",
            "Matrix states: generated code against chunks and flash-linear-attention",
            tuple(_matrices()),
            ("fused", "chunk", "flash-linear-attention"),
        ),
        Grid(
            "updates",
            "Several updates of a matrix at every step: chunks against single steps",
            tuple(_updates()),
            ("reference", "chunk", "fused", "flash-linear-attention"),
            shows=("ms", "peak", "parts"),
        ),
        Grid(
            "lssl",
            "A linear state space as a convolution, against a scan in turn",
            tuple(_lssl()),
            ("in turn", "convolution", "fused"),
            shows=("ms", "peak", "error"),
        ),
        Grid(
            "plstm",
            "pLSTM on grids: cell after cell, blocks of cells, and one masked attention",
            tuple(_plstm()),
            ("wavefront", "blocks", "full gating"),
            shows=("ms", "peak", "error"),
        ),
        Grid(
            "memory",
            "Memory of a training pass",
            tuple(_memory()),
            ("reference", *_OURS, "torch"),
            (MODES[1],),
            shows=("peak",),
        ),
        Grid(
            "roofline",
            "Rates of passes beside those of a copy and of a product of matrices",
            tuple(_roofline()),
            (*_OURS, *_PEERS),
            shows=("roof",),
        ),
    )
}
