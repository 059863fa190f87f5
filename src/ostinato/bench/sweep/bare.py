"""What the tables measure besides the library's cells: operations without weights, and grids."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ostinato.engines.chunk.delta_rule import unit
from ostinato.engines.chunk.matrix_cell import Factors, MatrixCell
from ostinato.models.graph.plstm_grid import GridPLSTM


class Updates(MatrixCell):
    """Gated DeltaProduct without weights: x is q, k, v, and what β and g are made of.

    Args:
        input_size: not used.
        hidden_size: H = heads · V.
        heads: how many; keys are as large as values.
        updates: n.

    Attributes:
        parts: of x and of its gradient, by name, with their widths.
    """

    def __init__(
        self, input_size: int, hidden_size: int, *, heads: int = 1, updates: int = 1
    ) -> None:
        super().__init__()
        self.hidden_size, self.heads, self.updates = hidden_size, heads, updates
        self.key_size = self.value_size = hidden_size // heads
        self.parts = {
            "q": hidden_size, "k": updates * hidden_size, "v": updates * hidden_size,
            "β": updates * heads, "g": heads,
        }  # fmt: skip
        self.input_size = sum(self.parts.values())
        self.register_buffer("like", torch.zeros(()), persistent=False)

    def factors(self, x: Tensor) -> Factors:
        """What x (rows, D) does to the state."""
        q, k, v, b, g = torch.split(x, list(self.parts.values()), -1)
        q = unit(torch.unflatten(q, -1, (self.heads, -1))) * self.key_size**-0.5
        k = unit(torch.unflatten(k, -1, (self.updates, self.heads, -1)))
        v = torch.unflatten(v, -1, (self.updates, self.heads, -1))
        beta = 2 * torch.sigmoid(torch.unflatten(b, -1, (self.updates, self.heads)))
        return Factors(q, k, v, -F.softplus(g)[..., None], erase=k, beta=beta)


class OverGrid(nn.Module):
    """A pLSTM whose cells come as a sequence (B, T, D), of a grid as square as T allows.

    Args:
        input_size: D.
        hidden_size: D.
        heads: of the layer.
        options: of `GridPLSTM`.
    """

    def __init__(self, input_size: int, hidden_size: int, *, heads: int = 1, **options: Any):
        super().__init__()
        self.input_size = hidden_size
        self.layer = GridPLSTM(hidden_size, heads, **options)

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, D) to (B, T, D)."""
        steps = x.shape[1]
        side = max(n for n in range(1, steps + 1) if steps % n == 0 and n * n <= steps)
        y: Tensor = self.layer(torch.unflatten(x, 1, (side, -1)))
        return y.flatten(1, 2)
