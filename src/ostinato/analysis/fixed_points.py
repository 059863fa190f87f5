"""Fixed points of a cell under a constant input, and what happens near them.

    q(h) = ½ ‖f(x, h) − h‖²  →  min

D. Sussillo, O. Barak: Opening the black box, Neural Computation 25, 2013. Found by the
Levenberg–Marquardt method from many states at once, instead of by gradient descent, since the
Jacobian that stability needs is at hand.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ostinato.analysis.derivative import flatten, jacobian, unflatten, visited
from ostinato.analysis.finding import Finding, Table
from ostinato.core.cell import Cell
from ostinato.core.errors import ArgumentError
from ostinato.core.state import index

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True)
class FixedPoints(Finding):
    """States that a step leaves as they are; N may be 0.

    Attributes:
        points: (N, S), leaves of the state side by side.
        speeds: (N,) the length of what a step still adds.
        eigenvalues: (N, S) complex, of the Jacobian there, the largest modulus first.
        basins: (N,) how many of the starting states led there.
        starts: (M, S) where the search began.
    """

    points: Tensor
    speeds: Tensor
    eigenvalues: Tensor
    basins: Tensor
    starts: Tensor

    @property
    def stable(self) -> Tensor:
        """(N,) bool: whether every small change shrinks."""
        return (self.eigenvalues.abs() < 1).all(1)

    def table(self) -> Table:
        """One row for each point."""
        growing = (self.eigenvalues.abs() >= 1).sum(1)
        columns = (self.speeds, self.eigenvalues.abs().amax(1), growing, self.basins)
        rows = zip(*(column.tolist() for column in columns), strict=True)
        headings = ["point", "speed", "largest modulus", "unstable directions", "found from"]
        return Table(headings, [[i, *row] for i, row in enumerate(rows, 1)])

    def draw(self, axes: Axes) -> None:
        """Points and starting states in the plane of the starts' two largest components."""
        center = self.starts.mean(0)
        plane = torch.linalg.svd(self.starts - center, full_matrices=False)[2][:2].T
        marks = ((self.starts, ".", "starts"), (self.points[self.stable], "o", "stable"))
        for found, mark, label in (*marks, (self.points[~self.stable], "x", "unstable")):
            flat = ((found - center) @ plane).cpu().numpy()
            axes.plot(flat[:, 0], flat[:, -1], mark, label=label, alpha=0.7)
        axes.set_xlabel("first principal component")
        axes.set_ylabel("second principal component")
        axes.legend()


@torch.no_grad()
def fixed_points(
    cell: Cell,
    x: Tensor,
    input: Tensor | None = None,
    tolerance: float | None = None,
    iterations: int = 200,
    apart: float = 1e-2,
) -> FixedPoints:
    """Search for fixed points from the states on the trajectories that inputs drive.

    Args:
        cell: the cell, from its initial state on.
        x: inputs (B, T, D) of the trajectories; every state of them is a start.
        input: (D,) the constant input under which points are to be fixed; None: zeros.
        tolerance: the largest speed of a point; None: 1e-5, or 1e-9 in float64.
        iterations: the most that the search takes.
        apart: points nearer to each other than this are one, relative to the spread of the starts.

    Raises:
        ArgumentError: if x is empty.
        CellError: if the state has no derivative.
    """
    if not x.numel():
        raise ArgumentError(f"The search needs states to start from; got x of shape {[*x.shape]}.")
    states = visited(cell, x)
    like, starts = index(states, slice(1)), flatten(states)
    given = starts.new_zeros(x.shape[-1]) if input is None else input
    search = _Search(cell, given.expand(len(starts), -1), like)
    ends, speeds = search.descend(starts, iterations)
    if tolerance is None:
        tolerance = 1e-9 if starts.dtype == torch.float64 else 1e-5
    kept, basins = _distinct(ends, speeds, tolerance, apart * float(starts.std(0).norm()))
    search.x = search.x[: len(kept)]
    eigenvalues = torch.linalg.eigvals(search.linear(ends[kept])[1])
    order = eigenvalues.abs().argsort(-1, descending=True)
    return FixedPoints(ends[kept], speeds[kept], eigenvalues.gather(-1, order), basins, starts)


class _Search:
    """Levenberg–Marquardt from every row, each with a damping of its own."""

    def __init__(self, cell: Cell, x: Tensor, like: object) -> None:
        self.cell, self.x, self.like = cell, x, like

    def linear(self, h: Tensor) -> tuple[Tensor, Tensor]:
        """r = f(h) − h (M, S), and the Jacobian of f (M, S, S)."""
        if not len(h):
            return h, h.new_zeros(0, h.shape[1], h.shape[1])
        new, j = jacobian(self.cell, self.x, unflatten(h, self.like))
        return flatten(new) - h, j

    def descend(self, h: Tensor, iterations: int) -> tuple[Tensor, Tensor]:
        """Where the rows of h (M, S) end, and the speeds there (M,)."""
        eye = torch.eye(h.shape[1], dtype=h.dtype, device=h.device)
        damping = h.new_full((len(h), 1, 1), 1e-3)
        r, j = self.linear(h)
        for _ in range(iterations):
            slope = j - eye
            normal = slope.mT @ slope + damping * eye
            tried = h - torch.linalg.solve(normal, slope.mT @ r[..., None])[..., 0]
            r_tried, j_tried = self.linear(tried)
            better = r_tried.norm(dim=1) < r.norm(dim=1)
            h, r = (torch.where(better[:, None], a, b) for a, b in ((tried, h), (r_tried, r)))
            j = torch.where(better[:, None, None], j_tried, j)
            factor = torch.where(better[:, None, None], 0.2, 5.0)
            damping = (damping * factor).clamp(1e-12, 1e12)
            if not better.any() and damping.min() > 1e3:
                break
        return h, r.norm(dim=1)


def _distinct(
    ends: Tensor, speeds: Tensor, tolerance: float, apart: float
) -> tuple[Tensor, Tensor]:
    """Rows that are fixed points, one for each, and how many led there."""
    kept: list[int] = []
    counts: list[int] = []
    for row in speeds.argsort().tolist():
        if not speeds[row] <= tolerance:
            continue
        distances = (ends[kept] - ends[row]).norm(dim=1) if kept else ends.new_zeros(0)
        near = (distances <= apart).nonzero()
        if len(near):
            counts[int(near[0])] += 1
        else:
            kept.append(row)
            counts.append(1)
    return torch.tensor(kept, dtype=torch.long), torch.tensor(counts, dtype=torch.long)
