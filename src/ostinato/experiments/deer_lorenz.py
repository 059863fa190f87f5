"""Lorenz-96 evaluated in parallel: chaos that Newton's method survives, but not gracefully.

    y'_i = (y_{i+1} − y_{i−2}) y_{i−1} − y_i + F,   indices mod D;   D = 5, F = 8

E. N. Lorenz, "Predictability: a problem partly solved", 1996. Gonzalez et al. 2024, arXiv
2407.19115, take it, with nothing learned, as their second test of stability: T = 1,000 steps of
0.01 from a state on the attractor, all of them guessed to be 0. Every method ends at the true
trajectory; on the way undamped iterates leave it by many powers of ten, and damped ones do not.

Deviations: a step is one of the classical Runge–Kutta method, where they take Dormand and
Prince's; float64, so that what the recurrence amplifies is not rounding; and a trajectory begins
anew for each seed. λ is fixed, as σ² is there; falling with the residual, as `ost.newton` has it
otherwise, it does not help here, since short steps make for small residuals far from the solution.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ostinato.engines.parallel.newton import Solve
from ostinato.experiments.deer_networks import needed, solve
from ostinato.experiments.experiment import Claim, Curve, Measurement, Panel, Track
from ostinato.over.time import RNN
from ostinato.wrap.runge_kutta import RungeKutta

SOLVED = Claim("Lorenz-96: methods that solve it, of 4", "4 (figure)", at_least=4)
EXACT = Claim("Lorenz-96: mean absolute error of what they find", "0 (figure)", at_most=1e-6)
BOUNDED = Claim(
    "Lorenz-96: log₁₀ of the largest iterate, the tamer undamped method less the wilder damped",
    "large (figure)",
    at_least=2,
)
HALF = Claim("Lorenz-96: Newton's method, iterations over steps", "below 0.5 (figure)", at_most=0.5)
CLAIMS = (SOLVED, EXACT, BOUNDED, HALF)

SIZE, FORCING, DELTA = 5, 8.0, 0.01
# σ² is 300 and 10 in the paper.
UNDAMPED = {"Newton": ("full", 0.0), "quasi-Newton": ("quasi", 0.0)}
DAMPED = {"ELK": ("full", 1 / 300), "quasi-ELK": ("quasi", 1 / 10)}
_FLOOR = 1e-16


@dataclass(frozen=True)
class Size:
    """How long a trajectory is, and how many points its curves have.

    Attributes:
        steps: T.
        marks: on a curve.
    """

    steps: int = 1000
    marks: int = 40


class Lorenz96(nn.Module):
    """y', which reads no input."""

    forcing: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("forcing", torch.tensor(FORCING))

    def forward(self, y: Tensor, x: object = None) -> Tensor:
        """Y (B, D) to y' (B, D)."""
        ahead, before, two_before = (_shifted(y, by) for by in (1, -1, -2))
        return (ahead - two_before) * before - y + self.forcing


def lorenz_96() -> RungeKutta:
    """One step of time as a cell, in float64."""
    return RungeKutta(Lorenz96(), SIZE, "rk4", DELTA).double()


@torch.no_grad()
def on_attractor(cell: RungeKutta, steps: int = 1000) -> Tensor:
    """A state (1, D) some steps after one near y = F, where nothing would move."""
    begin = FORCING + 0.01 * torch.randn(1, SIZE, dtype=torch.float64)
    last: Tensor = RNN(cell, "reference")(_clock(steps), begin)[1]
    return last


def measure(size: Size, seeds: int, track: Track) -> Measurement:
    """Solve a trajectory for each of the seeds 0 … seeds−1."""
    values: dict[Claim, list[float]] = {claim: [] for claim in CLAIMS}
    marks = range(0, size.steps + 1, max(1, size.steps // size.marks))
    runs: dict[str, list[list[float]]] = {name: [] for name in (*UNDAMPED, *DAMPED)}
    for seed in track(range(seeds), "Lorenz-96"):
        torch.manual_seed(seed)
        truth, solves = _solves(size.steps)
        for claim, value in _judged(truth, solves).items():
            values[claim].append(value)
        for name, found in solves.items():
            errors = errors_of(truth, found)
            runs[name].append([math.log10(errors[min(k, found.iterations)]) for k in marks])
    curves = [Curve(name, marks, found) for name, found in runs.items()]
    return Measurement(values, [Panel("iteration", "Lorenz-96, log₁₀ of the error", curves)])


def errors_of(truth: Tensor, found: Solve) -> list[float]:
    """The mean absolute error (over steps, summed over elements) of every iterate."""
    errors = [float((states - truth).abs().sum(-1).mean()) for states in found.trace]
    # What left the range of numbers is as far away as any number is.
    return [max(e, _FLOOR) if math.isfinite(e) else 1e308 for e in errors]


def _solves(steps: int) -> tuple[Tensor, dict[str, Solve]]:
    """The true trajectory (T, 1, D), and how each method finds it."""
    cell = lorenz_96()
    begin, x = on_attractor(cell), _clock(steps)
    with torch.no_grad():
        truth = RNN(cell, "reference")(x, begin)[0].transpose(0, 1)
    zeros = torch.zeros_like(truth)
    # What is not solved is told by its trace; nothing has to run it instead.
    options = {"tolerance": 1e-8, "iterations": steps, "trace": True, "unsolved": "warn"}
    return truth, {
        name: solve(
            cell, x, begin, method=method, damping=damping, shrink=False, guess=zeros, **options
        )
        for name, (method, damping) in (UNDAMPED | DAMPED).items()
    }


def _judged(truth: Tensor, solves: Mapping[str, Solve]) -> dict[Claim, float]:
    steps = len(truth)
    furthest = {name: max(map(_largest, found.trace)) for name, found in solves.items()}
    gap = min(furthest[name] for name in UNDAMPED) / max(furthest[name] for name in DAMPED)
    return {
        SOLVED: sum(found.solved for found in solves.values()),
        EXACT: max(errors_of(truth, found)[-1] for found in solves.values()),
        BOUNDED: math.log10(gap),
        HALF: needed(solves["Newton"], steps) / steps,
    }


def _largest(states: Tensor) -> float:
    found = float(states.abs().max())
    return found if math.isfinite(found) else 1e308


def _clock(steps: int) -> Tensor:
    """Inputs that only count the steps."""
    return torch.zeros(1, steps, 1, dtype=torch.float64)


def _shifted(y: Tensor, by: int) -> Tensor:
    """Element i is y_{i + by}."""
    return torch.cat([y[:, by:], y[:, :by]], -1)
