"""The effective rank of a matrix state: how many directions of it carry something.

    rank(S) = exp(−Σ_i p_i ln p_i),    p_i = σ_i / Σ_j σ_j

of the singular values σ: K equal ones give K, and one alone 1. A state whose rank still grows
behind the length of training is one in which nothing is forgotten.

Source: O. Roy, M. Vetterli: The effective rank: a measure of effective dimensionality, EUSIPCO
2007; over time in matrix states: Siems et al. 2025, arXiv 2502.10297.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ostinato.analysis.finding import Finding, Table
from ostinato.core.cell import Cell
from ostinato.core.errors import CellError
from ostinato.core.state import leaves
from ostinato.over.time import RNN

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__papers__ = ("deltaproduct",)


@dataclass(frozen=True)
class EffectiveRank(Finding):
    """The rank of every matrix after every step.

    Attributes:
        ranks: (B, T, H), of every head; 0 for a matrix of zeros.
        largest: the smaller side of the matrices, the most that a rank can be.
    """

    ranks: Tensor
    largest: int

    def table(self) -> Table:
        """One row for each step: mean over rows and heads, least and greatest head."""
        heads = self.ranks.mean(0)
        columns = heads.mean(1), heads.amin(1), heads.amax(1)
        rows = zip(*(column.tolist() for column in columns), strict=True)
        headings = ["step", "effective rank", "least head", "greatest head"]
        return Table(headings, [[t, *row] for t, row in enumerate(rows)])

    def draw(self, axes: Axes) -> None:
        """The rank of every head over time, mean over rows."""
        axes.plot(self.ranks.mean(0).cpu().numpy(), color="C0", alpha=0.6)
        axes.axhline(self.largest, color="black", linewidth=0.8, linestyle="--")
        axes.set_xlabel("step")
        axes.set_ylabel("effective rank of the state")


@torch.no_grad()
def effective_rank(cell: Cell, x: Tensor) -> EffectiveRank:
    """The effective rank of a cell's matrix state along the trajectories that inputs drive.

    Args:
        cell: the cell, from its initial state on; the leaf of its state with most axes holds the
            matrices in its last two.
        x: inputs (B, T, D).

    Raises:
        CellError: if no leaf of the state is a matrix.
    """
    states = RNN(cell).eval()(x, return_states=True)[2]
    matrices = max(leaves(states), key=Tensor.dim)
    if matrices.dim() < 4:
        raise CellError(
            f"The state of {type(cell).__name__} has no effective rank: expected a leaf (B, ..., "
            f"K, V), got none of more axes than {list(matrices[:, 0].shape)}."
        )
    values = torch.linalg.svdvals(matrices)
    share = values / values.sum(-1, keepdim=True).clamp_min(torch.finfo(values.dtype).tiny)
    ranks = torch.exp(-torch.xlogy(share, share).sum(-1)) * share.any(-1)
    return EffectiveRank(ranks.view(*x.shape[:2], -1), values.shape[-1])
