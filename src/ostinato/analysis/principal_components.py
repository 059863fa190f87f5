"""How many directions the states fill: shares of their variance along principal components.

λ₁ ≥ λ₂ ≥ …    eigenvalues of the covariance of h_t
participation ratio (Σ λ)² / Σ λ²,    between 1 and S
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ostinato.analysis.finding import Finding, Table

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__papers__ = ("sparse-lowrank-cfc",)


@dataclass(frozen=True)
class PrincipalComponents(Finding):
    """The variance of states by direction.

    Attributes:
        shares: (S,) of the variance along each component, the largest first; they sum to 1.
    """

    shares: Tensor

    @property
    def dimension(self) -> float:
        """The participation ratio."""
        return float(1 / self.shares.square().sum())

    def table(self) -> Table:
        """One row for each component."""
        rows = zip(self.shares.tolist(), self.shares.cumsum(0).tolist(), strict=True)
        return Table(["component", "share", "with those before"], _numbered(list(rows)))

    def draw(self, axes: Axes) -> None:
        """The cumulative share over the number of components."""
        axes.plot(range(1, len(self.shares) + 1), self.shares.cumsum(0).cpu().numpy(), marker=".")
        axes.set_xlabel("principal components")
        axes.set_ylabel("share of the variance")


@torch.no_grad()
def principal_components(states: Tensor) -> PrincipalComponents:
    """The principal components of states, or of anything else that varies over time.

    Args:
        states: (B, T, S); all sequences and steps are points of one cloud.
    """
    cloud = states.flatten(0, -2).double()
    variance = torch.linalg.svdvals(cloud - cloud.mean(0)).square()
    # Fewer points than directions leave directions without variance.
    rest = variance.new_zeros(cloud.shape[1] - len(variance))
    return PrincipalComponents(torch.cat([variance / variance.sum(), rest]))


def _numbered(rows: list[tuple[float, float]]) -> list[list[float]]:
    return [[number, *row] for number, row in enumerate(rows, 1)]
