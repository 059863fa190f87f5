"""Spectral error: how far the eigenvalues of two matrices are apart, in angle.

    mean over pairs of abs arg(λ μ̄),    λ, μ of modulus above 0.9, paired so that the sum is least

What a network keeps, it keeps in these, and only their angle counts: a modulus above 1 is a limit
cycle once a tanh bounds it.

A. Karuvally, T. J. Sejnowski, H. T. Siegelmann, "Hidden Traveling Waves bind Working Memory
Variables in Recurrent Neural Networks", ICML 2024, arXiv 2402.10163. Deviations: pairs are the
best there are instead of taken one by one, and eigenvalues without a partner are counted, since
a mean over them would have no angle.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ostinato.analysis.finding import Finding, Table
from ostinato.core.extras import extra

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__papers__ = ("hidden-waves",)


@dataclass(frozen=True)
class SpectralError(Finding):
    """Two spectra, side by side.

    Attributes:
        found: (N,) complex, the eigenvalues that count of one matrix.
        expected: (M,) complex, of the other; of both the first min(N, M) are pairs.
    """

    found: Tensor
    expected: Tensor

    @property
    def angles(self) -> Tensor:
        """(min(N, M),) between the two of each pair, in radians."""
        pairs = min(len(self.found), len(self.expected))
        return (self.found[:pairs] * self.expected[:pairs].conj()).angle().abs()

    @property
    def error(self) -> float:
        """The mean angle; not a number if there is no pair."""
        return float(self.angles.mean()) if len(self.angles) else math.nan

    @property
    def unmatched(self) -> int:
        """Eigenvalues without a partner."""
        return abs(len(self.found) - len(self.expected))

    def table(self) -> Table:
        """One row for each pair."""
        pairs = zip(self.found, self.expected, self.angles.tolist(), strict=False)
        rows = [[i, abs(complex(a)), abs(complex(b)), c] for i, (a, b, c) in enumerate(pairs, 1)]
        return Table(["pair", "modulus found", "modulus expected", "angle"], rows)

    def draw(self, axes: Axes) -> None:
        """Both spectra in the complex plane, with the unit circle."""
        turn = torch.linspace(0, 2 * math.pi, 200)
        axes.plot(turn.cos().numpy(), turn.sin().numpy(), color="black", linewidth=0.8)
        for values, mark, label in ((self.expected, "o", "expected"), (self.found, "x", "found")):
            values = values.cpu()
            axes.plot(values.real.numpy(), values.imag.numpy(), mark, label=label, alpha=0.7)
        axes.set_aspect("equal")
        axes.set_xlabel("real part")
        axes.set_ylabel("imaginary part")
        axes.legend()


@torch.no_grad()
def spectral_error(found: Tensor, expected: Tensor, modulus: float = 0.9) -> SpectralError:
    """Compare the spectra of two matrices, of any sizes.

    Args:
        found: (S, S), e.g. the recurrent matrix of a trained network.
        expected: (R, R), e.g. `lattice_matrix` of a boundary.
        modulus: smaller eigenvalues do not count.

    Raises:
        MissingExtraError: without scipy.
    """
    assign = extra("scipy.optimize", "analysis", "A spectral error").linear_sum_assignment
    a, b = (lasting(matrix, modulus) for matrix in (found, expected))
    cost = (a[:, None] * b.conj()).angle().abs()
    rows, columns = (torch.as_tensor(each) for each in assign(cost.cpu().numpy()))
    return SpectralError(_first(a, rows), _first(b, columns))


def lasting(matrix: Tensor, modulus: float) -> Tensor:
    """The eigenvalues (N,) above a modulus, complex128."""
    values: Tensor = torch.linalg.eigvals(matrix.double())
    return values[values.abs() > modulus]


def _first(values: Tensor, chosen: Tensor) -> Tensor:
    """The chosen ones, and then the others."""
    rest = torch.ones(len(values), dtype=torch.bool)
    rest[chosen] = False
    return torch.cat([values[chosen], values[rest]])
