"""How far a signal reaches on a grid, in the experiment on pLSTM: beam, diffusion, explosion.

What the corner of a grid writes, and what cells read of it, under constant transitions at the
border of stability, in float64: exact numbers, the same for every seed. In P-mode (α = ½) the
signal is a beam whose peak falls with the square root of the distance while its sum stays; in
D-mode every cell is reached with weight 1; without either bound it grows with the number of paths.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from ostinato.experiments.experiment import Claim, Curve, Measurement, Panel, Track
from ostinato.over.block import Block
from ostinato.over.grid import gating_matrix

MASS = Claim(
    "P-mode: what a source's beam holds, all cells of a diagonal, largest change (relative)",
    "conserved (derived)",
    at_most=1e-12,
)
SLOPE = Claim(
    "P-mode: slope of the beam's peak over the distance, log-log",
    "−1/2 (derived)",
    at_least=-0.55,
    at_most=-0.45,
)
REACH = Claim(
    "D-mode: largest deviation of a weight from 1, any cell", "0 (derived)", at_most=1e-12
)
PATHS = Claim(
    "neither: weight at the far corner over the number of paths",
    "1: grows like a binomial coefficient (derived)",
    at_least=1 - 1e-12,
    at_most=1 + 1e-12,
)
CLAIMS = (MASS, SLOPE, REACH, PATHS)

TRANSITIONS = {
    "P, α = ½": (0.5, 0.5, 0.5, 0.5),
    "D": (1.0, 1.0, 0.0, 1.0),
    "neither": (1.0, 1.0, 1.0, 1.0),
}
"""T_rl, T_ru, T_dl and T_du of each kind."""


@dataclass(frozen=True)
class Size:
    """How large the grid is.

    Attributes:
        side: cells along each side.
    """

    side: int = 32


def measure(size: Size, seeds: int, track: Track) -> Measurement:
    """Follow the signal of the corner; all seeds get the same numbers."""
    reached = {name: _reached(size.side, name) for name in track(TRANSITIONS, "paths on a grid")}
    distances = range(1, size.side)
    peaks = {
        name: [float(_diagonal(weights, far).max()) for far in distances]
        for name, weights in reached.items()
    }
    beam, inside = reached["P, α = ½"], torch.ones(size.side, size.side, dtype=torch.bool)
    inside[0, 0] = False
    mass = max(abs(float(_diagonal(beam, far).sum()) - 1) for far in distances)
    near, far = size.side // 4, size.side - 1
    fall = math.log(peaks["P, α = ½"][far - 1] / peaks["P, α = ½"][near - 1])
    paths = float(reached["neither"][-1, -1]) / math.comb(2 * far, far)
    values = {
        MASS: mass,
        SLOPE: fall / math.log(far / near),
        REACH: float((reached["D"][inside] - 1).abs().max()),
        PATHS: paths,
    }
    curves = [
        Curve(name, [math.log2(d) for d in distances], [[math.log10(p) for p in found]] * seeds)
        for name, found in peaks.items()
    ]
    panel = Panel("log₂ distance", "log₁₀ largest weight", curves)
    return Measurement({claim: [value] * seeds for claim, value in values.items()}, [panel])


def _reached(side: int, name: str) -> Tensor:
    """What every cell (x, y) reads of what the corner wrote, (side, side)."""
    one = torch.ones(side, side, 1, 1, dtype=torch.float64)
    rl, ru, dl, du = (each * one for each in TRANSITIONS[name])
    share = 0.5 if name.startswith("P") else 1.0
    gates = Block(rl, ru, dl, du, share * one, share * one, one, one, 0 * one)
    return gating_matrix(gates)[:, 0].view(side, side)


def _diagonal(weights: Tensor, far: int) -> Tensor:
    """The cells that are `far` steps away from the corner."""
    return weights.flip(1).diagonal(len(weights) - 1 - far)
