"""How far back a gradient reaches: what a state owes to the state k steps before.

    ‖∂h_T / ∂h_{T−k}‖ = ‖J_T J_{T−1} ⋯ J_{T−k+1}‖₂

It falls or grows like e^{λk} with the largest Lyapunov exponent λ, but not at first, and what
trains is the beginning: the vanishing-gradient proxy of Tumma, Lechner, Loo, Hasani & Rus 2024,
arXiv 2310.03915.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ostinato.analysis.derivative import jacobian, visited
from ostinato.analysis.finding import Finding, Table
from ostinato.core.cell import Cell
from ostinato.core.state import map_state

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__papers__ = ("sparse-lowrank-cfc",)


@dataclass(frozen=True)
class GradientReach(Finding):
    """Norms over distance.

    Attributes:
        norms: (B, T−1) of ∂h_T / ∂h_{T−k} for k = 1 … T−1.
    """

    norms: Tensor

    @property
    def mean(self) -> Tensor:
        """(T−1,) geometric mean over rows."""
        return self.norms.log().mean(0).exp()

    def table(self) -> Table:
        """One row for each distance."""
        return Table(["steps back", "norm"], [[k, n] for k, n in enumerate(self.mean.tolist(), 1)])

    def draw(self, axes: Axes) -> None:
        """The mean over the distance, on a logarithmic axis."""
        axes.semilogy(range(1, len(self.mean) + 1), self.mean.cpu().numpy(), marker=".")
        axes.set_xlabel("steps back")
        axes.set_ylabel("‖∂h_T / ∂h_{T−k}‖")


@torch.no_grad()
def gradient_reach(cell: Cell, x: Tensor) -> GradientReach:
    """The norms along the trajectories that inputs drive.

    Args:
        cell: the cell, from its initial state on.
        x: inputs (B, T, D), T at least 2.

    Raises:
        CellError: if the state has no derivative.
    """
    rows, steps = x.shape[:2]
    # The derivative of a step is taken at the state before it.
    before = map_state(
        lambda leaf: leaf.view(rows, steps, *leaf.shape[1:])[:, :-1].flatten(0, 1),
        visited(cell, x),
    )
    j = jacobian(cell, x[:, 1:].flatten(0, 1), before)[1]
    j = j.view(rows, steps - 1, *j.shape[1:])
    product, norms = torch.eye(j.shape[-1], dtype=j.dtype, device=j.device), list[Tensor]()
    for back in range(1, steps):
        product = product @ j[:, -back]
        norms.append(torch.linalg.matrix_norm(product, 2))
    return GradientReach(torch.stack(norms, 1))
