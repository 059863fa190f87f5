"""Lyapunov exponents: how fast small changes of the state grow along a trajectory.

    Q_t R_t = J_t Q_{t−1},    λ_i = 1/T Σ_t ln abs (R_t)_ii

G. Benettin, L. Galgani, A. Giorgilli, J.-M. Strelcyn: Lyapunov characteristic exponents for smooth
dynamical systems, Meccanica 15, 1980; of recurrent networks R. Engelken, F. Wolf, L. F. Abbott,
2023, arXiv 2006.02427.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ostinato.analysis.derivative import flatten, push
from ostinato.analysis.finding import Finding, Table
from ostinato.core.cell import Cell
from ostinato.core.errors import ArgumentError

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True)
class LyapunovExponents(Finding):
    """The largest exponents, in nats a step.

    Attributes:
        exponents: (B, K), the largest first.
    """

    exponents: Tensor

    @property
    def largest(self) -> float:
        """The mean over the rows of the largest one: above 0, the rows are chaotic."""
        return float(self.exponents[:, 0].mean())

    @property
    def dimension(self) -> float:
        """Of the attractor after Kaplan and Yorke, mean over the rows; at most K.

        The sum of the exponents up to it is 0: fewer directions grow in volume, more shrink.
        """
        sums = self.exponents.cumsum(1)
        whole = (sums >= 0).long().cumprod(1).sum(1)
        sums = torch.nn.functional.pad(sums, (1, 0)).gather(1, whole[:, None])[:, 0]
        count = self.exponents.shape[1]
        following = self.exponents.gather(1, whole.clamp_max(count - 1)[:, None])[:, 0]
        rest = torch.where(whole < count, sums / -following, 0)
        return float((whole + rest).mean())

    def table(self) -> Table:
        """One row for each exponent."""
        rows = [
            [i + 1, float(column.mean()), float(column.std(correction=0))]
            for i, column in enumerate(self.exponents.T)
        ]
        return Table(["exponent", "nats a step", "spread over rows"], rows)

    def draw(self, axes: Axes) -> None:
        """The spectrum of every row."""
        numbers = range(1, self.exponents.shape[1] + 1)
        axes.plot(numbers, self.exponents.T.cpu().numpy(), color="C0", alpha=0.5)
        axes.axhline(0, color="black", linewidth=0.8)
        axes.set_xlabel("number of the exponent")
        axes.set_ylabel("Lyapunov exponent, nats a step")


@torch.no_grad()
def lyapunov_exponents(
    cell: Cell, x: Tensor, count: int | None = None, transient: int = 0
) -> LyapunovExponents:
    """The largest Lyapunov exponents of a cell along the trajectories that its inputs drive.

    Args:
        cell: the cell, from its initial state on.
        x: inputs (B, T, D); the exponents are averages over their last T − `transient` steps.
        count: how many exponents; None: as many as the state has numbers.
        transient: steps at the beginning that are not counted.

    Raises:
        ArgumentError: if `transient` leaves no steps, or the state has fewer numbers than `count`.
        CellError: if the state has no derivative.
    """
    state = cell.initial_state(len(x))
    size, steps = flatten(state).shape[1], x.shape[1] - transient
    count = size if count is None else count
    if not (transient >= 0 and steps > 0 and 1 <= count <= size):
        raise ArgumentError(
            f"Expected 0 <= transient < T and 1 <= count <= S; got transient={transient} and "
            f"count={count} with T={x.shape[1]} steps and S={size} numbers of the state."
        )
    directions = flatten(state).new_empty(len(x), size, count).normal_()
    frame = torch.linalg.qr(directions)[0]
    total = frame.new_zeros(len(x), count)
    for t, x_t in enumerate(x.unbind(1)):
        state, moved = push(cell, x_t, state, frame.mT)
        frame, growth = torch.linalg.qr(moved.mT)
        if t >= transient:
            total += growth.diagonal(0, 1, 2).abs().log()
    return LyapunovExponents((total / steps).sort(1, descending=True).values)
