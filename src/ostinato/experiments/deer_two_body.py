"""Two bodies whose energy a net learns, by a differential equation solved at all times together.

    y = (x, v),   y' = (∂H/∂v, −∂H/∂x),   H an MLP with softplus

S. Greydanus, M. Dzamba, J. Yosinski, "Hamiltonian Neural Networks", NeurIPS 2019, arXiv 1906.01563,
as Lim, Zhu, Selfridge & Kasim 2024, arXiv 2309.12252, train it: the loss is the squared error of
whole trajectories from their first state, and the states of each sample when it was last solved
are the guess when it comes again (`Guesses`).

Beside it the same training with a solver that goes from step to step: Heun's method, of the same
order, as a cell. Once it is the generated code, for the losses; once eager torch, for the time.

Deviations: they have 800 orbits of 10,000 points in 10 units of time, six layers of 64 units and
days on a GPU, in which trajectories grow from 20 points on. Here it is a minute on one core: 16
orbits of 1,000 points, 3 units of time, whole from the first update on, and one layer. So little
does not learn how bodies move, only that they attract each other.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ostinato.engines.parallel.guesses import Guesses
from ostinato.engines.parallel.ode import solve_ode
from ostinato.engines.parallel.solves import newton
from ostinato.experiments.experiment import Claim, Curve, Measurement, Panel, Track
from ostinato.experiments.time_ratio import time_ratio
from ostinato.over.time import RNN
from ostinato.tasks.seeds import generator_at
from ostinato.tasks.split import epoch_rows
from ostinato.tasks.two_body import STATE, Orbits
from ostinato.wrap.runge_kutta import RungeKutta

LEARNED = Claim(
    "two bodies: error of held-out orbits after training over that before",
    "learned (figure)",
    at_most=0.7,
)
SAME = Claim(
    "two bodies, trained step by step: largest difference of the losses over the first loss",
    "same curve",
    at_most=0.02,
)
WARM = Claim(
    "two bodies: iterations from the start at rest over those from the last trajectory",
    "none said",
    at_least=1.5,
)
LONG = Claim(
    "two bodies, trained: iterations at ten times as many points over those before",
    "few",
    at_most=1.5,
)
FASTER = Claim(
    "two bodies: time of an update step by step, eager torch, over that of Newton's method",
    "11 or more (GPU, 2 weeks over 1 day)",
    at_least=2,
)
CLAIMS = (LEARNED, SAME, WARM, LONG, FASTER)

BATCH, TOLERANCE = 4, 1e-7
# Of how many updates one counts iterations without a guess, too.
_EVERY = 5
Solver = Callable[["Hamiltonian", Tensor, Tensor, Tensor], Tensor]
"""(field, first states (B, 8), times (T,), numbers of the samples (B,)) -> states (T, B, 8)."""


@dataclass(frozen=True)
class Size:
    """How much is learned.

    Attributes:
        orbits: to train on; as many are held out.
        points: T.
        end: how long they last, in units of time.
        updates: optimizer steps.
        width: units of a layer.
        depth: layers.
        rate: the learning rate.
        finer: how many times as many points the trained equation is solved at.
        repeats: pairs of timings.
    """

    orbits: int = 16
    points: int = 1000
    end: float = 3.0
    updates: int = 120
    width: int = 32
    depth: int = 1
    rate: float = 2e-2
    finer: int = 10
    repeats: int = 3


class Hamiltonian(nn.Module):
    """y' of an energy H(y), which is an MLP with softplus.

    Its derivative is written out, so that the field is an ordinary function of y.

    Args:
        width: units of a layer.
        depth: layers.
    """

    def __init__(self, width: int, depth: int) -> None:
        super().__init__()
        sizes = [STATE, *[width] * depth]
        self.layers = nn.ModuleList(nn.Linear(*pair) for pair in pairwise(sizes))
        self.output = nn.Linear(width, 1)

    def energy(self, y: Tensor) -> Tensor:
        """H (B, 1) of y (B, 8)."""
        for layer in self.layers:
            y = F.softplus(layer(y))
        found: Tensor = self.output(y)
        return found

    def forward(self, y: Tensor, x: object = None) -> Tensor:
        """y' (B, 8); x is not read."""
        slopes = []
        for layer in self.layers:
            y = layer(y)
            slopes.append(torch.sigmoid(y))
            y = F.softplus(y)
        gradient: Tensor = self.output.weight
        for layer, slope in zip(reversed(self.layers), reversed(slopes), strict=True):
            gradient = F.linear(gradient * slope, layer.weight.T)  # type: ignore[arg-type]
        place, speed = gradient.chunk(2, -1)
        return torch.cat([speed, -place], -1)


def measure(size: Size, seeds: int, track: Track) -> Measurement:
    """Learn the orbits with the seeds 0 … seeds−1, both ways."""
    values: dict[Claim, list[float]] = {claim: [] for claim in CLAIMS}
    runs: dict[str, list[list[float]]] = {"Newton": [], "step by step": []}
    counts: dict[str, list[list[float]]] = {"from rest": [], "from the last trajectory": []}
    for seed in track(range(seeds), "two bodies"):
        torch.manual_seed(seed)
        before = Hamiltonian(size.width, size.depth).double()
        times, train, test = _orbits(size, seed)
        stepwise, parallel = deepcopy(before), deepcopy(before)
        losses = learn(stepwise, by_steps("auto"), train, times, size)
        warm = WarmStart()
        by_newton = learn(parallel, warm, train, times, size)
        values[LEARNED].append(error(parallel, test, times) / error(before, test, times))
        gaps = [abs(a - b) for a, b in zip(losses, by_newton, strict=True)]
        values[SAME].append(max(gaps) / losses[0])
        values[WARM].append(fmean(warm.cold) / fmean(warm.warm))
        values[LONG].append(_finer(parallel, test[0], size))
        values[FASTER].append(_faster(parallel, train, times, size))
        for name, run in zip(runs, (by_newton, losses), strict=True):
            runs[name].append([math.log10(loss) for loss in run])
        for name, count in zip(counts, (warm.cold, warm.warm), strict=True):
            counts[name].append([float(n) for n in count])
    updates = range(size.updates)
    curves = [Curve(name, updates, found) for name, found in runs.items()]
    iterations = [Curve(name, updates[::_EVERY], found) for name, found in counts.items()]
    return Measurement(
        values,
        [
            Panel("update", "two bodies, log₁₀ of the loss", curves),
            Panel("update", "two bodies, iterations", iterations),
        ],
    )


class WarmStart:
    """Solves at all times together, each sample from where it was last.

    Attributes:
        warm: the iterations of every few updates.
        cold: those that the same solve takes from the start at rest.
    """

    def __init__(self) -> None:
        self.warm, self.cold = list[int](), list[int]()
        self._guesses, self._calls = Guesses(), 0

    def __call__(self, field: Hamiltonian, init: Tensor, times: Tensor, rows: Tensor) -> Tensor:
        """The states (T, B, 8)."""
        with newton(tolerance=TOLERANCE) as solves:
            guess = self._guesses.of(rows, init, len(times))
            found = solve_ode(field, init, times, guess=guess)
            if self._calls % _EVERY == 0:
                with torch.no_grad():
                    solve_ode(field, init, times)
                self.warm.append(solves[0].iterations)
                self.cold.append(solves[1].iterations)
        self._guesses.keep(rows, found)
        self._calls += 1
        return found


def by_steps(engine: str) -> Solver:
    """A solver that goes from step to step, by Heun's method."""

    def solver(field: Hamiltonian, init: Tensor, times: Tensor, rows: Tensor) -> Tensor:
        cell = RungeKutta(field, STATE, "heun", float(times[1] - times[0]))
        clock = init.new_zeros(len(init), len(times) - 1, 1)
        return torch.cat([init[None], RNN(cell, engine)(clock, init)[0].transpose(0, 1)])

    return solver


def learn(
    field: Hamiltonian, solver: Solver, states: Tensor, times: Tensor, size: Size
) -> list[float]:
    """Train a field on states (T, N, 8); the loss of every update."""
    optimizer, losses = torch.optim.Adam(field.parameters(), size.rate), list[float]()
    for update in range(size.updates):
        rows = epoch_rows(states.shape[1], update, BATCH, 0)
        loss = _loss(field, solver, states[:, rows], times, rows)
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(field.parameters(), 1.0)
        optimizer.step()
        losses.append(loss.item())
    return losses


@torch.no_grad()
def error(field: Hamiltonian, states: Tensor, times: Tensor) -> float:
    """The mean squared error of whole trajectories (T, N, 8) from their first states."""
    with newton(tolerance=TOLERANCE):
        return float((solve_ode(field, states[0], times) - states).square().mean())


def _loss(
    field: Hamiltonian, solver: Solver, states: Tensor, times: Tensor, rows: Tensor
) -> Tensor:
    return (solver(field, states[0], times, rows) - states).square().mean()


def _orbits(size: Size, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """Times (T,), and states (T, N, 8) to train on and to test with."""
    times = torch.linspace(0, size.end, size.points, dtype=torch.float64)
    train, test = (
        Orbits.draw(generator_at(seed, split), size.orbits).at(times) for split in ("train", "test")
    )
    return times, train, test


@torch.no_grad()
def _finer(field: Hamiltonian, init: Tensor, size: Size) -> float:
    """Iterations at more points of the same time over those at T."""
    with newton(tolerance=TOLERANCE) as solves:
        for points in (size.finer * size.points, size.points):
            solve_ode(field, init[:1], torch.linspace(0, size.end, points, dtype=init.dtype))
    return solves[0].iterations / solves[1].iterations


def _faster(field: Hamiltonian, states: Tensor, times: Tensor, size: Size) -> float:
    """The time of loss and gradient in a loop over that of Newton's method."""
    rows = torch.arange(BATCH)

    def update(solver: Solver) -> Callable[[], None]:
        return lambda: torch.autograd.backward(_loss(field, solver, states[:, rows], times, rows))

    # What the pass that is not counted finds is the guess of those that are.
    return time_ratio(update(by_steps("reference")), update(WarmStart()), size.repeats)
