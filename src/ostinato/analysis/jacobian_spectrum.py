"""Eigenvalues of the Jacobian of a step along a trajectory: what it keeps, rotates and forgets.

    J_t = ∂f(x_t, h)/∂h  at h = h_t

An eigenvalue of modulus 1 keeps its direction, a complex one rotates a plane, one near 0 forgets.
"""

from __future__ import annotations

import math
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


@dataclass(frozen=True)
class JacobianSpectrum(Finding):
    """The spectrum at every step.

    Attributes:
        eigenvalues: (B, T, S) complex, the largest modulus first.
        singular_values: (B, T, S), the largest first: how much a step stretches at most.
    """

    eigenvalues: Tensor
    singular_values: Tensor

    def table(self) -> Table:
        """One row for each eigenvalue, averaged over rows and steps."""
        modulus = self.eigenvalues.abs()
        angle = self.eigenvalues.angle().abs() / math.pi
        means = (each.mean((0, 1)).tolist() for each in (modulus, angle, self.singular_values))
        numbered = enumerate(zip(*means, strict=True), 1)
        headings = ["number", "modulus", "angle / π", "singular value"]
        return Table(headings, [[i, *values] for i, values in numbered])

    def draw(self, axes: Axes) -> None:
        """All eigenvalues in the complex plane, with the unit circle."""
        values = self.eigenvalues.flatten().cpu()
        turn = torch.linspace(0, 2 * math.pi, 200)
        axes.plot(turn.cos().numpy(), turn.sin().numpy(), color="black", linewidth=0.8)
        axes.scatter(values.real.numpy(), values.imag.numpy(), s=4, alpha=0.3)
        axes.set_aspect("equal")
        axes.set_xlabel("real part")
        axes.set_ylabel("imaginary part")


@torch.no_grad()
def jacobian_spectrum(cell: Cell, x: Tensor) -> JacobianSpectrum:
    """The spectrum of the Jacobian at every state of the trajectories that inputs drive.

    Args:
        cell: the cell, from its initial state on.
        x: inputs (B, T, D).

    Raises:
        CellError: if the state has no derivative.
    """
    states = visited(cell, x)
    j = jacobian(cell, map_state(lambda leaf: leaf.flatten(0, 1), x), states)[1]
    matrices = j.view(*x.shape[:2], *j.shape[1:])
    eigenvalues = torch.linalg.eigvals(matrices)
    order = eigenvalues.abs().argsort(-1, descending=True)
    return JacobianSpectrum(eigenvalues.gather(-1, order), torch.linalg.svdvals(matrices))
