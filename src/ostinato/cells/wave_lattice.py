"""Travelling-wave lattice: a working memory of s columns, through which what is stored moves.

    h_i(t) = h_{i+1}(t−1),  i < s;      h_s(t) = f(h_1(t−1), …, h_s(t−1)) + x_t;      y_t = h_s(t)

One-way wave: a variable is written at column s and moves one column a step. What f writes there
depends on the whole lattice:

    "linear"       f(h) = F [h_1; …; h_s]
    "attention"    f(h) = Σ_i softmax_i((W_Q h_s) · (W_K h_i) / √d) W_V h_i

With a linear f the lattice is a shift matrix plus a block of low rank, an affine recurrence; with
attention one step of a decoder whose window the lattice is. Any system u(t) = f(u(t−1), …, u(t−s))
is one, if its first s vectors are given as inputs to a lattice that f leaves at zero.

Source: A. Karuvally, T. J. Sejnowski, H. T. Siegelmann, "Hidden Traveling Waves bind Working
Memory Variables in Recurrent Neural Networks", ICML 2024, arXiv 2402.10163.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from ostinato.core.cell import Cell
from ostinato.core.errors import ArgumentError, nearest

__papers__ = ("hidden-waves",)

_BOUNDARIES = ("linear", "attention")


class WaveLatticeCell(Cell):
    """Columns that hand on what they hold; the output is the newest.

    Args:
        input_size: d, the numbers in a column.
        hidden_size: s, the columns: for how many steps a variable is on its way.
        boundary: "linear", "attention", or any map from the columns (B, s, d), the oldest first,
            to what is written (B, d).
        device: of the parameters.
        dtype: of the parameters.

    Shapes: x (B, d); state (B, s·d), the oldest column first; output (B, d).

    Raises:
        ArgumentError: if the boundary is not known.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        boundary: str | Callable[[Tensor], Tensor] = "linear",
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.input_size, self.hidden_size = input_size, hidden_size
        if boundary == "linear":
            boundary = LinearBoundary(input_size, hidden_size, device, dtype)
        elif boundary == "attention":
            boundary = AttentionBoundary(input_size, device, dtype)
        elif isinstance(boundary, str):
            raise ArgumentError(
                f"No boundary is called {boundary!r}. {nearest(boundary, _BOUNDARIES)}"
            )
        self.boundary = boundary

    def initial_state(self, batch_size: int) -> Tensor:
        """Zeros (B, s·d)."""
        return self.zeros(batch_size, self.hidden_size * self.input_size)

    def forward(self, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        """One step: x (B, d), h (B, s·d)."""
        columns = h.view(-1, self.hidden_size, self.input_size)
        written = self.boundary(columns) + x
        return written, torch.cat([h[:, self.input_size :], written], 1)


class LinearBoundary(nn.Module):
    """f(h) = F [h_1; …; h_s]: (B, s, d) to (B, d).

    Args:
        size: d.
        columns: s.
        device: of F.
        dtype: of F.
    """

    def __init__(
        self,
        size: int,
        columns: int,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.write = nn.Linear(size * columns, size, False, device, dtype)

    def forward(self, columns: Tensor) -> Tensor:
        """What is written."""
        written: Tensor = self.write(columns.flatten(1))
        return written


class AttentionBoundary(nn.Module):
    """The newest column asks all of them: (B, s, d) to (B, d).

    Args:
        size: d.
        device: of the matrices.
        dtype: of the matrices.
    """

    def __init__(
        self,
        size: int,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.query = nn.Linear(size, size, False, device, dtype)
        self.key = nn.Linear(size, size, False, device, dtype)
        self.value = nn.Linear(size, size, False, device, dtype)

    def forward(self, columns: Tensor) -> Tensor:
        """What is written."""
        keys, values = self.key(columns), self.value(columns)
        match = (keys * self.query(columns[:, -1])[:, None]).sum(2) * columns.shape[2] ** -0.5
        weights = torch.softmax(match, 1)
        written: Tensor = (weights[..., None] * values).sum(1)
        return written


def lattice_matrix(boundary: Tensor) -> Tensor:
    """Φ (s·d, s·d) of the lattice with a linear boundary F (d, s·d): h(t) = Φ h(t−1) + E x_t."""
    size, whole = boundary.shape
    shift = torch.eye(whole, dtype=boundary.dtype, device=boundary.device)[size:]
    return torch.cat([shift, boundary])
