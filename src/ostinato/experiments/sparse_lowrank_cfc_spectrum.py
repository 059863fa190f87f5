"""The law of the spectral radius, in the experiment on low-rank and sparse CfCs.

With v the mean square of the entries that a mask leaves, the radius of an n × n matrix of rank r
is about √((1 − s) n v): √((1 − s) r / n) for r singular values of 1, and with v = r (2/(n + r))²
for Glorot factors. Measured on Elman matrices of 256 units, the mean of four draws for each seed.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from statistics import fmean

import torch

from ostinato.analysis.weight_spectrum import weight_spectrum
from ostinato.cells.elman import ElmanCell
from ostinato.experiments.experiment import Claim, Curve, Measurement, Panel, Track
from ostinato.wrap.recurrent_connectivity import restrict_recurrence

SPARSITIES = (0.0, 0.5, 0.8, 0.95)
SHARES = (1 / 8, 1 / 2, None)
"""Ranks relative to n; None: no factors."""

PLACES = (("orthogonal", 1 / 8, 0.5), ("glorot", 1 / 2, 0.8), ("glorot", None, 0.95))
"""Init, rank and sparsity where the law is asked for; the curves show it everywhere."""

LAW = Claim(
    "radius at initialisation: largest deviation from √((1 − s) n v), at three ranks and "
    "sparsities (%)",
    "falls with s and with lower r; the law is derived",
    at_most=10,
)
CLAIMS = (LAW,)


@dataclass(frozen=True)
class Size:
    """How large the matrices are.

    Attributes:
        units: n.
        draws: matrices for each seed.
    """

    units: int = 256
    draws: int = 4


def measure(size: Size, seeds: int, track: Track) -> Measurement:
    """Draw matrices of every kind."""
    worst = list[float]()
    runs: dict[str, list[list[float]]] = {}
    for seed in track(range(seeds), "spectra"):
        generator, off = torch.Generator().manual_seed(seed), list[float]()
        for init, share in itertools.product(("orthogonal", "glorot"), SHARES):
            rank = None if share is None else round(share * size.units)
            radii = [radius(size, rank, s, init, generator) for s in SPARSITIES]
            runs.setdefault(f"{init}, rank {rank or size.units}", []).append(radii)
            off += [
                100 * abs(found / law(size.units, rank, s, init) - 1)
                for s, found in zip(SPARSITIES, radii, strict=True)
                if (init, share, s) in PLACES
            ]
        worst.append(max(off))
    curves = [Curve(label, SPARSITIES, found) for label, found in runs.items()]
    return Measurement({LAW: worst}, [Panel("sparsity", "spectral radius", curves)])


def radius(
    size: Size, rank: int | None, sparsity: float, init: str, generator: torch.Generator
) -> float:
    """The mean radius of some matrices."""
    found = []
    for _ in range(size.draws):
        cell = ElmanCell(1, size.units)
        restrict_recurrence(cell, rank=rank, sparsity=sparsity, init=init, generator=generator)
        found.append(float(weight_spectrum(cell).radius))
    return fmean(found)


def law(units: int, rank: int | None, sparsity: float, init: str) -> float:
    """√((1 − s) n v)."""
    if rank is None:
        mean_square = 1 / units
    else:
        mean_square = rank / units**2 if init == "orthogonal" else rank * (2 / (units + rank)) ** 2
    return math.sqrt((1 - sparsity) * units * mean_square)
