"""The subspace of the keys under which a delta rule writes: in how many dimensions it turns.

    M = Σ_t β_t k_t k_tᵀ / Σ_t β_t,    share(d) = Σ_{i ≤ d} λ_i / Σ_i λ_i

of the eigenvalues λ of M, largest first. A product of reflections moves nothing outside the span
of their keys, and a key with β = 0 does nothing. A head that tracks the rotations of a cube, the
group S4, needs 3 dimensions, and β = 2.

Source: Siems et al. 2025, "DeltaProduct: Improving State-Tracking in Linear RNNs via Householder
Products", arXiv 2502.10297.
Deviation: keys count by their β, and M is taken about 0, where all reflections meet.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ostinato.analysis.finding import Finding, Table
from ostinato.core.cell import Cell
from ostinato.core.errors import CellError
from ostinato.engines.chunk.matrix_cell import MatrixCell

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__papers__ = ("deltaproduct",)


@dataclass(frozen=True)
class KeySubspace(Finding):
    """Where the keys of every head lie.

    Attributes:
        shares: (H, K), how much of the keys lies in the best subspace of 1 … K dimensions.
        beta: (H,), mean of β.
        largest_beta: (H,), the greatest β.
    """

    shares: Tensor
    beta: Tensor
    largest_beta: Tensor

    def dimensions(self, share: float = 0.95) -> Tensor:
        """How many dimensions hold that share of the keys, (H,)."""
        return 1 + (self.shares < share).sum(1)

    def table(self) -> Table:
        """One row for each head."""
        columns = self.dimensions(), self.beta, self.largest_beta, *self.shares.T
        rows = zip(*(column.tolist() for column in columns), strict=True)
        names = [f"share of {d + 1}" for d in range(self.shares.shape[1])]
        headings = ["head", "dimensions of 95 %", "mean β", "greatest β", *names]
        return Table(headings, [[head, *row] for head, row in enumerate(rows)])

    def draw(self, axes: Axes) -> None:
        """The share over the number of dimensions, by head."""
        numbers = range(1, self.shares.shape[1] + 1)
        for head, shares in enumerate(self.shares.cpu()):
            axes.plot(numbers, shares.numpy(), marker=".", label=f"head {head}")
        axes.set_xlabel("dimensions")
        axes.set_ylabel("share of the keys")
        axes.legend()


@torch.no_grad()
def key_subspace(cell: Cell, x: Tensor) -> KeySubspace:
    """The subspace of a cell's keys on inputs.

    Args:
        cell: one that writes by the delta rule, e.g. DeltaNet or DeltaProduct.
        x: inputs (B, T, D).

    Raises:
        CellError: if the cell has no keys.
    """
    factors = cell.eval().factors(x.flatten(0, 1)) if isinstance(cell, MatrixCell) else None
    if factors is None or factors.erase is None:
        raise CellError(
            f"{type(cell).__name__} has no subspace of keys: expected a cell that writes by the "
            "delta rule, e.g. DeltaProduct."
        )
    k = factors.k
    beta = k.new_ones(k.shape[:-1]) if factors.beta is None else factors.beta
    moments = torch.einsum("rnh,rnhi,rnhj->hij", beta, k, k).double()
    values = torch.linalg.eigvalsh(moments).flip(-1).clamp_min(0).cumsum(-1)
    shares = values / values[:, -1:].clamp_min(torch.finfo(values.dtype).tiny)
    return KeySubspace(shares.to(k.dtype), beta.mean((0, 1)), beta.amax((0, 1)))
