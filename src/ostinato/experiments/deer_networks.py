"""How Newton's method converges on random networks, as the experiment on DEER measures it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import fmean

import torch
from torch import Tensor, nn

from ostinato.analysis.convergence import unlogged
from ostinato.cells.elman import ElmanCell
from ostinato.cells.gru import GRUCell
from ostinato.core.cell import Cell
from ostinato.engines.parallel.newton import Outcome, Solve
from ostinato.engines.parallel.solves import newton
from ostinato.over.time import RNN


@dataclass(frozen=True)
class Network:
    """h = tanh(W h + x), with W of N(0, g²/n), on inputs of 0.3 N(0, 1).

    Attributes:
        cell: the network.
        x: its inputs (1, T, n).
    """

    cell: ElmanCell
    x: Tensor

    @classmethod
    def draw(cls, gain: float, units: int, steps: int) -> Network:
        """Draw W and the inputs from torch's generator."""
        cell = ElmanCell(units, units, bias=False, dtype=torch.float64)
        with torch.no_grad():
            cell.input.weight.copy_(torch.eye(units))
            cell.recur.weight.normal_(std=gain / math.sqrt(units))
        return cls(cell, 0.3 * torch.randn(1, steps, units, dtype=torch.float64))


@torch.no_grad()
def solve(cell: Cell, x: Tensor, state: Tensor | None = None, **options: object) -> Solve:
    """Solve all steps of x (1, T, D) in one window."""
    with unlogged(), newton(window=x.shape[1], **options) as solves:  # type: ignore[arg-type]
        RNN(cell, "parallel")(x, state)
    return solves[0]


def needed(found: Solve, most: int) -> int:
    """The iterations until it was solved; `most` if it was not."""
    return found.iterations if found.outcome is Outcome.CONVERGED else most


@torch.no_grad()
def error_of_fallback(network: Network) -> tuple[bool, float]:
    """Whether 100 iterations do not solve a network, and how far off what is returned is then."""
    with unlogged(), newton(window=network.x.shape[1]) as solves:
        found = RNN(network.cell, "parallel")(network.x)[0]
    # In chaos two engines part company; what ran it instead is what it has to equal.
    expected = RNN(network.cell, solves[0].engine or "reference")(network.x)[0]
    return solves[0].engine is not None, float((found - expected).abs().max())


def order_of_convergence() -> float:
    """Of the residuals of a GRU as it is begun: log ratio of two reductions after each other."""
    cell = GRUCell(5, 5, dtype=torch.float64)
    residuals = solve(cell, torch.randn(1, 50, 5, dtype=torch.float64), tolerance=1e-13).residuals
    first, second, third = (math.log(residual) for residual in residuals[1:4])
    return (third - second) / (second - first)


def error_of_gradient() -> float:
    """Of a GRU whose states were found by the diagonal, relative, against the loop."""
    cell, gradients = GRUCell(3, 8, dtype=torch.float64), []
    x = torch.randn(1, 500, 3, dtype=torch.float64)
    for engine in ("parallel", "reference"):
        with newton("quasi", tolerance=1e-13, iterations=500):
            loss = RNN(cell, engine)(x)[0].square().sum()
        gradients.append(torch.autograd.grad(loss, list(cell.parameters())))
    pairs = zip(*gradients, strict=True)
    return max(float((a - b).abs().max() / b.abs().max()) for a, b in pairs)


def left_by_damping(networks: int) -> float:
    """What ELK leaves of the residual after 4 iterations, over what Newton does; geometric mean."""
    ratios = []
    for _ in range(networks):
        network = Network.draw(1.1, 5, 50)
        left = [
            solve(network.cell, network.x, iterations=4, damping=damping, tolerance=1e-15).residual
            for damping in (0.01, 0.0)
        ]
        ratios.append(math.log(left[0] / left[1]))
    return math.exp(fmean(ratios))


class Oscillator(Cell):
    """A GRU that reads its own output, from an initial state that is learned."""

    def __init__(self, hidden_size: int) -> None:
        super().__init__()
        self.gru, self.readout = GRUCell(1, hidden_size), nn.Linear(hidden_size, 1)
        self.start = nn.Parameter(torch.randn(hidden_size))

    def initial_state(self, batch_size: int) -> Tensor:
        """The learned state (B, H)."""
        return self.start.expand(batch_size, -1)

    def forward(self, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        """One step; x, which only counts the steps, is not read."""
        y = self.readout(h)
        return y, self.gru(y, h)[1]


def draw_sine(updates: int, hidden_size: int = 5, period: int = 20) -> Oscillator:
    """Train an `Oscillator` to draw five periods of a sine."""
    cell, steps = Oscillator(hidden_size), 5 * period
    target = torch.sin(2 * math.pi / period * torch.arange(steps))[None, :, None]
    optimizer = torch.optim.Adam(cell.parameters(), 1e-2)
    for _ in range(updates):
        loss = (RNN(cell)(torch.zeros_like(target))[0] - target).square().mean()
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(cell.parameters(), 1.0)
        optimizer.step()
    return cell
