"""Dimensionality: how many directions of the state space the activity fills.

Principal components of all states that were visited; the number of them that a share of the
variance needs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ostinato.analysis.finding import Finding, Table
from ostinato.core.errors import ArgumentError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__papers__ = ("timescales", "sparse-lowrank-cfc")


@dataclass(frozen=True)
class Dimensionality(Finding):
    """The spectrum of the states' covariance.

    Attributes:
        variances: (min(N, S),) along the principal components of N states, the largest first.
        share: of the variance, that `count` components explain.
    """

    variances: Tensor
    share: float

    @property
    def explained(self) -> Tensor:
        """(min(N, S),) share of the variance that the first components explain together."""
        return self.variances.cumsum(0) / self.variances.sum()

    @property
    def count(self) -> int:
        """How many components explain more than the share; all, if rounding leaves none."""
        return min(int((self.explained <= self.share).sum()) + 1, len(self.variances))

    @property
    def participation(self) -> float:
        """(Σ v)² / Σ v²: the same without a share to choose."""
        return float(self.variances.sum().square() / self.variances.square().sum())

    def table(self) -> Table:
        """One row for each component."""
        rows = zip(self.variances.tolist(), self.explained.tolist(), strict=True)
        headings = ["component", "variance", "explained so far"]
        return Table(headings, [[i, *row] for i, row in enumerate(rows, 1)])

    def draw(self, axes: Axes) -> None:
        """Explained variance over the number of components."""
        axes.plot(range(1, len(self.variances) + 1), self.explained.cpu().numpy(), marker=".")
        axes.axhline(self.share, color="black", linewidth=0.8, linestyle="--")
        axes.set_xlabel("components")
        axes.set_ylabel("share of the variance")


@torch.no_grad()
def dimensionality(states: Tensor, share: float = 0.9) -> Dimensionality:
    """Principal components of states (B, T, S).

    Args:
        states: the activity.
        share: of the variance, in (0, 1).

    Raises:
        ArgumentError: if there are fewer than two states, or the share is out of range.
    """
    flat = states.flatten(0, 1).double()
    if len(flat) < 2 or not 0 < share < 1:
        raise ArgumentError(
            f"Expected two states or more and 0 < share < 1; got {[*states.shape]} and {share}."
        )
    variances = torch.linalg.svdvals(flat - flat.mean(0)).square() / (len(flat) - 1)
    return Dimensionality(variances, share)
