"""The wave basis of a network that binds variables: where in its state each of them travels.

    Ψ = [Ψ_1 … Ψ_s],    Ψ_s = P W_r⁺,    Ψ_k = W^{s−k} Ψ_s,    Φ̂ = Ψ⁺ W Ψ

What is read out now lies in column s of the lattice, and W moves it on: so the read-out shows
where column s is, and powers of W where the others are. What carries nothing for long is left
out: coordinates of the lattice without which as many eigenvalues stay large, and, by the
projection P on the eigenvectors of large eigenvalues, what fades in W_r⁺. W is the matrix of a
linear network, or the derivative of a step at a fixed point.

A. Karuvally, T. J. Sejnowski, H. T. Siegelmann, "Hidden Traveling Waves bind Working Memory
Variables in Recurrent Neural Networks", ICML 2024, arXiv 2402.10163, where the basis may also
begin at the input. Deviations: columns of Ψ keep their lengths, which P would make unequal. And
there high powers of W let fade what P projects out; where states do not return after s steps,
these powers lie in another basis.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ostinato.analysis.finding import Finding, Table
from ostinato.analysis.spectral_error import lasting
from ostinato.analysis.wave_activity import WaveActivity
from ostinato.cells.wave_lattice import lattice_matrix
from ostinato.core.errors import ShapeError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__papers__ = ("hidden-waves",)

_LASTING = 0.8


@dataclass(frozen=True)
class WaveBasis(Finding):
    """A network in the coordinates of a lattice.

    Attributes:
        basis: Ψ (S, K), for the K coordinates that are kept.
        kept: (K,) which of the s·d coordinates they are, the oldest column first.
        matrix: Φ̂ (s·d, s·d); zero where a coordinate is left out.
        expected: Φ (s·d, s·d) of the lattice, likewise.
        size: d.
    """

    basis: Tensor
    kept: Tensor
    matrix: Tensor
    expected: Tensor
    size: int

    @property
    def on_pattern(self) -> float:
        """The least modulus of Φ̂ where Φ is not 0."""
        return float(self.matrix[self.expected != 0].abs().min())

    @property
    def off_pattern(self) -> float:
        """The largest modulus of Φ̂ where Φ is 0."""
        return float(self.matrix[self.expected == 0].abs().max())

    def activity(self, states: Tensor) -> WaveActivity:
        """The states (T, S) of a sequence as activity of the lattice."""
        lattice = states.new_zeros(len(states), len(self.matrix))
        dual = torch.linalg.pinv(self.basis).to(states)
        lattice[:, self.kept] = states.detach() @ dual.T
        return WaveActivity(lattice.unflatten(1, (-1, self.size)))  # type: ignore[no-untyped-call]

    def table(self) -> Table:
        """How much of each column's content a step moves where it belongs, and elsewhere."""
        rows = []
        for begin in range(0, len(self.matrix), self.size):
            column = slice(begin, begin + self.size)
            found, known = self.matrix[:, column], self.expected[:, column]
            sums = (float(part.abs().sum()) for part in (found[known != 0], found[known == 0]))
            rows.append([begin // self.size + 1, *sums])
        return Table(["column", "moved as expected", "elsewhere"], rows)

    def draw(self, axes: Axes) -> None:
        """Φ̂ as an image."""
        image = axes.imshow(self.matrix.cpu().numpy(), cmap="RdBu", vmin=-1, vmax=1)
        axes.figure.colorbar(image, ax=axes)
        axes.set_xlabel("from coordinate")
        axes.set_ylabel("to coordinate")


@torch.no_grad()
def wave_basis(
    recurrent: Tensor, readout: Tensor, boundary: Tensor, reduce: bool = True
) -> WaveBasis:
    """Find the basis in which a network is the lattice of a boundary.

    Args:
        recurrent: W (S, S).
        readout: W_r (d, S).
        boundary: F (d, s·d), e.g. of `VariableBindingTask`.
        reduce: leave out what carries nothing for long.

    Raises:
        ShapeError: if the matrices do not fit together.
    """
    size, units = readout.shape
    columns, rest = divmod(boundary.shape[1], size)
    if recurrent.shape != (units, units) or boundary.shape[0] != size or rest:
        raise ShapeError(
            "Expected W (S, S), W_r (d, S) and F (d, s·d); got "
            f"{[*recurrent.shape]}, {[*readout.shape]} and {[*boundary.shape]}."
        )
    w, expected = recurrent.double(), lattice_matrix(boundary.double().to(recurrent.device))
    kept = _lasting_coordinates(expected) if reduce else torch.arange(len(expected))
    blocks = [torch.linalg.pinv(readout.double())]
    if reduce:
        blocks = [_lasting_part(w) @ blocks[0]]
    for _ in range(columns - 1):
        blocks.insert(0, w @ blocks[0])
    basis = torch.cat(blocks, 1)[:, kept]
    reduced = torch.linalg.pinv(basis) @ w @ basis
    found, known = (_placed(part, kept, expected) for part in (reduced, expected[kept][:, kept]))
    return WaveBasis(basis, kept, found, known, size)


def _lasting_coordinates(expected: Tensor) -> Tensor:
    """Those without which fewer eigenvalues are large."""
    count, places = len(lasting(expected, _LASTING)), torch.arange(len(expected))
    without = [places[places != j] for j in places]
    counts = [len(lasting(expected[rest][:, rest], _LASTING)) for rest in without]
    return (torch.tensor(counts) < count).nonzero()[:, 0]


def _lasting_part(w: Tensor) -> Tensor:
    """P (S, S), onto what W keeps, along what it forgets.

    From the left and right eigenvectors of large eigenvalues only: the others may have too few.
    """
    kept = []
    for matrix in (w, w.T):
        values, vectors = torch.linalg.eig(matrix)
        kept.append(vectors[:, values.abs() > _LASTING])
    right, left = kept
    projection: Tensor = (right @ torch.linalg.solve(left.T @ right, left.T)).real
    return projection


def _placed(matrix: Tensor, kept: Tensor, like: Tensor) -> Tensor:
    """A matrix of the coordinates that are kept among zeros for the others."""
    whole = torch.zeros_like(like)
    whole[kept[:, None], kept] = matrix
    return whole
