"""Eigenvalues of a cell's recurrent matrices: what rank and sparsity make of them.

    ϱ(U) ≈ ‖U‖_F / √H

holds for independent entries (the circular law), so also for U with a mask: with v the mean square
of the entries that are left, it is √((1 − s) H v). Tumma, Lechner, Loo, Hasani & Rus 2024, arXiv
2310.03915, relate how fast a closed loop forgets to this radius and to the norm.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ostinato.analysis.finding import Finding, Table
from ostinato.core.cell import Cell
from ostinato.core.errors import ArgumentError
from ostinato.wrap.recurrent_connectivity import recurrent_maps

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__papers__ = ("sparse-lowrank-cfc",)


@dataclass(frozen=True)
class WeightSpectrum(Finding):
    """The spectra of M recurrent matrices, one for every gate.

    Attributes:
        names: of the matrices.
        matrices: (M, H, H).
    """

    names: tuple[str, ...]
    matrices: Tensor

    @property
    def eigenvalues(self) -> Tensor:
        """(M, H) complex."""
        values: Tensor = torch.linalg.eigvals(self.matrices)
        return values

    @property
    def radius(self) -> Tensor:
        """(M,) the largest modulus of an eigenvalue."""
        return self.eigenvalues.abs().amax(-1)

    @property
    def predicted_radius(self) -> Tensor:
        """(M,) ‖U‖_F / √H."""
        norm: Tensor = torch.linalg.matrix_norm(self.matrices)
        return norm / math.sqrt(self.matrices.shape[-1])

    @property
    def norm(self) -> Tensor:
        """(M,) the largest singular value."""
        norm: Tensor = torch.linalg.matrix_norm(self.matrices, 2)
        return norm

    @property
    def sparsity(self) -> Tensor:
        """(M,) the share of entries that are zero."""
        return (self.matrices == 0).double().mean((-1, -2))

    def table(self) -> Table:
        """One row for each matrix."""
        rank = torch.linalg.matrix_rank(self.matrices)
        columns = (self.radius, self.predicted_radius, self.norm, rank, self.sparsity)
        rows = zip(self.names, *(column.tolist() for column in columns), strict=True)
        headings = ["matrix", "radius", "‖U‖_F / √H", "norm", "rank", "sparsity"]
        return Table(headings, list(rows))

    def draw(self, axes: Axes) -> None:
        """All eigenvalues in the complex plane, with the unit circle."""
        turn = torch.linspace(0, 2 * math.pi, 200)
        axes.plot(turn.cos().numpy(), turn.sin().numpy(), color="black", linewidth=0.8)
        for name, values in zip(self.names, self.eigenvalues.cpu(), strict=True):
            axes.scatter(values.real.numpy(), values.imag.numpy(), s=4, alpha=0.5, label=name)
        axes.set_aspect("equal")
        axes.set_xlabel("real part")
        axes.set_ylabel("imaginary part")
        axes.legend()


@torch.no_grad()
def weight_spectrum(cell: Cell) -> WeightSpectrum:
    """The spectra of the square matrices by which a cell multiplies its state.

    Args:
        cell: with `nn.Linear` maps whose names begin with "recur"; parametrised ones count as
            what they are parametrised to.

    Raises:
        ArgumentError: if there is no such map.
    """
    names, matrices = list[str](), list[Tensor]()
    for found in recurrent_maps(cell):
        weight = found.linear.weight
        if len(weight) == found.blocks * weight.shape[1]:
            names += [f"{found.name}[{k}]" for k in range(found.blocks)]
            matrices += weight.split(weight.shape[1])  # type: ignore[no-untyped-call]
    if not matrices:
        raise ArgumentError(
            f"{type(cell).__name__} has no square matrix of its state: expected an nn.Linear "
            "(k·H, H) whose name begins with 'recur'."
        )
    return WeightSpectrum(tuple(names), torch.stack(matrices))
