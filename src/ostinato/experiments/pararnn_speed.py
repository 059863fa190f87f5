"""What Newton's method costs beside two loops over time, on a GPU if there is one, or on one core.

The loop of the paper's comparison applies the step once for each step, in Python; the other one
is compiled. The three are timed in turn, so that what disturbs the machine disturbs all, three
times after a pass that compiles, of which the median counts. Of the loop in Python only the first
steps are timed, and its time taken to grow with their number.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import median

import torch
from torch import Tensor

from ostinato.cells import make_cell
from ostinato.core.cell import Cell
from ostinato.experiments.experiment import Claim, Curve, Measurement, Panel, Track, joined
from ostinato.experiments.stopwatch import seconds
from ostinato.over.time import RNN

ENGINES = {"loop": "reference", "Newton": "parallel", "compiled loop": "fused"}
MODES = ("forward", "forward+backward")
WIDTH = 64
_REPEATS = 3

CELLS = ("ParaGRU", "ParaLSTM")
FASTER = {
    cell: Claim(
        f"speed, {cell} 1×64, longest sequence, forward+backward: loop / Newton",
        "up to 665 (A100)",
        at_least=5,
    )
    for cell in CELLS
}
COMPILED = {
    cell: Claim(
        f"speed, {cell}, the same: Newton / compiled loop",
        "not measured: on a GPU steps in turn leave it idle",
        at_least=1,
    )
    for cell in CELLS
}
CLAIMS = (*FASTER.values(), *COMPILED.values())

Seconds = dict[tuple[str, str], list[float]]
"""By side and mode, one for every length."""


@dataclass(frozen=True)
class Size:
    """How long the sequences are.

    Attributes:
        lengths: in steps.
        longest_loop: so many steps of the loop in Python are timed at most.
        device: where all sides run; None: on CUDA if torch sees it, else on the CPU.
    """

    lengths: tuple[int, ...]
    longest_loop: int
    device: str | None = None


def measure(size: Size, seeds: int, track: Track) -> Measurement:
    """Time all sides of each cell once for each of the seeds 0 … seeds−1."""
    return joined(_measure(cell, size, seeds, track) for cell in CELLS)


def _measure(cell: str, size: Size, seeds: int, track: Track) -> Measurement:
    found = [times(cell, size, seed, track) for seed in range(seeds)]

    def ratio(a: str, b: str) -> list[float]:
        return [times[a, MODES[1]][-1] / times[b, MODES[1]][-1] for times in found]

    values = {
        FASTER[cell]: ratio("loop", "Newton"),
        COMPILED[cell]: ratio("Newton", "compiled loop"),
    }
    exponents = [math.log2(steps) for steps in size.lengths]
    panels = []
    for mode in MODES:
        curves = [
            Curve(side, exponents, [[math.log10(t) for t in times[side, mode]] for times in found])
            for side in ENGINES
        ]
        panels.append(Panel("log₂ steps", f"{cell}, log₁₀ seconds, {mode}", curves))
    return Measurement(values, panels)


def times(name: str, size: Size, seed: int, track: Track) -> Seconds:
    """Time all sides of one cell once."""
    torch.manual_seed(seed)
    device = size.device or ("cuda" if torch.cuda.is_available() else "cpu")
    cell, found = make_cell(name, WIDTH, WIDTH).to(device), Seconds()
    for steps in track(size.lengths, f"speed, {name}, seed {seed}"):
        x = torch.randn(1, steps, WIDTH).to(device)
        for mode in MODES:
            for side, taken in _sides(cell, x, mode, size.longest_loop).items():
                found.setdefault((side, mode), []).append(taken)
    return found


def _sides(cell: Cell, x: Tensor, mode: str, longest_loop: int) -> dict[str, float]:
    """Seconds of each side, in turn."""
    samples: dict[str, list[float]] = {side: [] for side in ENGINES}
    for repeat in range(1 + _REPEATS):
        for side, engine in ENGINES.items():
            timed = x[:, :longest_loop] if engine == "reference" else x
            taken = _pass(RNN(cell, engine), timed, mode)
            if repeat:
                samples[side].append(taken * x.shape[1] / timed.shape[1])
    return {side: median(found) for side, found in samples.items()}


def _pass(layer: RNN, x: Tensor, mode: str) -> float:
    """Seconds."""

    def forward() -> object:
        with torch.no_grad():
            return layer(x)

    def both() -> object:
        return torch.autograd.grad(layer(x)[0].sum(), list(layer.parameters()))

    return seconds(forward if mode == MODES[0] else both, x.device)
