"""What Newton's method costs beside two loops over time, on one core.

The loop of the paper's comparison applies the step once for each step, in Python; the other one
is compiled. The three are timed in turn, so that what disturbs the machine disturbs all.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

import torch

from ostinato.cells import make_cell
from ostinato.experiments.experiment import Claim, Curve, Measurement, Panel, Track, joined
from ostinato.over.time import RNN

ENGINES = {"loop": "reference", "Newton": "parallel", "compiled loop": "fused"}
MODES = ("forward", "forward+backward")
WIDTH = 64

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
    """

    lengths: tuple[int, ...]


def measure(size: Size, seeds: int, track: Track) -> Measurement:
    """Time all sides of each cell once for each of the seeds 0 … seeds−1."""
    return joined(_measure(cell, size, seeds, track) for cell in CELLS)


def _measure(cell: str, size: Size, seeds: int, track: Track) -> Measurement:
    found = [_time(cell, size, seed, track) for seed in range(seeds)]

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


def _time(name: str, size: Size, seed: int, track: Track) -> Seconds:
    torch.manual_seed(seed)
    cell, found = make_cell(name, WIDTH, WIDTH), Seconds()
    for engine in ENGINES.values():
        # Traced and compiled before it is timed.
        _pass(RNN(cell, engine), torch.randn(1, 16, WIDTH), MODES[1])
    for steps in track(size.lengths, f"speed, {name}, seed {seed}"):
        x = torch.randn(1, steps, WIDTH)
        for mode in MODES:
            for side, engine in ENGINES.items():
                found.setdefault((side, mode), []).append(_pass(RNN(cell, engine), x, mode))
    return found


def _pass(layer: RNN, x: torch.Tensor, mode: str) -> float:
    """Seconds."""
    begin = time.perf_counter()
    if mode == MODES[0]:
        with torch.no_grad():
            layer(x)
    else:
        torch.autograd.grad(layer(x)[0].sum(), list(layer.parameters()))
    return time.perf_counter() - begin
