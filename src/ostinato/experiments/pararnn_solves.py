"""How many iterations Newton's method takes on cells as they begin, and what its gradient is.

Standard normal inputs, cells of 32 units begun as the paper does for language, with a and p
clipped to 0.5, to 0.9, and not at all. Accepted are residuals of 1e-5 in float32 and 1e-12 in
float64, relative to the largest state. All steps are one window, however many they are.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import torch

from ostinato.analysis.convergence import Convergence, convergence
from ostinato.cells import make_cell
from ostinato.core.cell import Cell
from ostinato.core.state import leaves
from ostinato.experiments.experiment import Claim, Curve, Measurement, Panel, Track
from ostinato.over.time import RNN

CELLS = ("ParaGRU", "ParaLSTM")
CLIPS = (0.5, 0.9, None)
DTYPES = (torch.float32, torch.float64)
WIDTH = 32

FEW = {
    torch.float32: Claim(
        "at the beginning: most iterations of any cell, clip and length, float32",
        "3–4 up to 2,048 steps (ParaGRU 2)",
        at_most=4,
    ),
    torch.float64: Claim(
        "at the beginning: most iterations of any cell, clip and length, float64",
        "not given",
        at_most=5,
    ),
}
ERROR = Claim("at the beginning: largest error of a state, float64", "not given", at_most=1e-9)
GRADIENT = Claim(
    "at the beginning: largest error of a gradient, relative, float64",
    "exact",
    at_most=1e-12,
)
CLAIMS = (*FEW.values(), ERROR, GRADIENT)

Studies = dict[tuple[str, float | None, torch.dtype], list[Convergence]]
"""By cell, clip and precision, one for every length."""


@dataclass(frozen=True)
class Size:
    """How long the sequences are.

    Attributes:
        lengths: in steps.
        gradient_steps: of the one whose gradients are compared.
    """

    lengths: tuple[int, ...]
    gradient_steps: int


def measure(size: Size, seeds: int, track: Track) -> Measurement:
    """Solve for every cell, clip, precision and length, with the seeds 0 … seeds−1."""
    studies = [_studies(size, seed, track) for seed in range(seeds)]
    values: dict[Claim, Sequence[float]] = {
        claim: [
            max(_iterations(each) for key in found if key[2] is dtype for each in found[key])
            for found in studies
        ]
        for dtype, claim in FEW.items()
    }
    values[ERROR] = [
        max(each.error for key in found if key[2] is torch.float64 for each in found[key])
        for found in studies
    ]
    values[GRADIENT] = [
        max(_gradient_error(cell, size.gradient_steps, seed) for cell in CELLS)
        for seed in range(seeds)
    ]
    return Measurement(values, [_iterations_panel(size, studies), _residual_panel(studies)])


def _studies(size: Size, seed: int, track: Track) -> Studies:
    found: Studies = {}
    cases = list(product(CELLS, CLIPS, DTYPES, size.lengths))
    for cell, clip, dtype, steps in track(cases, f"iterations, seed {seed}"):
        torch.manual_seed(seed)
        begun = make_cell(cell, WIDTH, WIDTH, clip=clip).to(dtype)
        study = convergence(begun, torch.randn(1, steps, WIDTH).to(dtype), window=steps)
        found.setdefault((cell, clip, dtype), []).append(study)
    return found


def _iterations(study: Convergence) -> float:
    """How many it took; infinitely many if it was not solved."""
    return study.iterations if study.solved else math.inf


def _gradient_error(name: str, steps: int, seed: int) -> float:
    """The largest difference to the loop, relative to the largest gradient of a tensor."""
    torch.manual_seed(seed)
    cell = make_cell(name, WIDTH, WIDTH, dtype=torch.float64)
    x = torch.randn(2, steps, WIDTH, dtype=torch.float64, requires_grad=True)
    ours, theirs = (_gradients(cell, x, engine) for engine in ("parallel", "reference"))
    pairs = zip(ours, theirs, strict=True)
    return max(float((a - b).abs().max() / b.abs().max()) for a, b in pairs)


def _gradients(cell: Cell, x: torch.Tensor, engine: str) -> tuple[torch.Tensor, ...]:
    """Those of x, of the first state and of all parameters."""
    init = cell.initial_state(len(x))
    for leaf in leaves(init):
        leaf.requires_grad_()
    y, last = RNN(cell, engine)(x, init)
    loss = y.square().sum() + sum(leaf.sum() for leaf in leaves(last))
    return torch.autograd.grad(loss, [x, *leaves(init), *cell.parameters()])


def _iterations_panel(size: Size, studies: Sequence[Studies]) -> Panel:
    curves = [
        Curve(
            f"{cell}, {str(dtype)[6:]}",
            [math.log2(steps) for steps in size.lengths],
            [[float(each.iterations) for each in found[cell, 0.5, dtype]] for found in studies],
        )
        for cell, dtype in product(CELLS, DTYPES)
    ]
    return Panel("log₂ steps", "iterations at the beginning (clip 0.5)", curves)


def _residual_panel(studies: Sequence[Studies]) -> Panel:
    """The longest sequences in float64, where there is most to see."""
    curves = []
    for cell in CELLS:
        runs = [found[cell, 0.5, torch.float64][-1].solves[0].residuals for found in studies]
        shared = min(map(len, runs))
        exponents = [[math.log10(max(r, 1e-17)) for r in run[:shared]] for run in runs]
        curves.append(Curve(cell, range(shared), exponents))
    return Panel("iteration", "log₁₀ residual (clip 0.5, float64)", curves)
