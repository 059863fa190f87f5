"""Elman network with layer normalisation.

    h_t = φ(LN(U h_{t−1} + W x_t; g, b))

One normalisation of the sum, with statistics of each step and gain and bias shared over time.

Source: Ba, Kiros & Hinton 2016, "Layer normalization", arXiv 1607.06450, section 3.1.
Deviation: ε = 1e-5 inside the root, which the paper leaves out and its code has.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ostinato.cells.initialise import orthogonal_blocks
from ostinato.core.cell import Cell
from ostinato.core.errors import ArgumentError

__papers__ = ("layer-norm",)


class LayerNormElmanCell(Cell):
    """The layer-normalised simple recurrent network; state and output are h.

    Args:
        input_size: D.
        hidden_size: H. With H = 1 the normalised sum is always the bias b.
        activation: φ, "tanh" or "relu".
        eps: ε.
        affine: whether gain g and bias b are learned.
        device: of the parameters.
        dtype: of the parameters.

    Shapes: x (B, D); state and output (B, H).

    Raises:
        ArgumentError: if the activation is not known.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        activation: str = "tanh",
        eps: float = 1e-5,
        affine: bool = True,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        if activation not in ("tanh", "relu"):
            raise ArgumentError(f"activation must be 'tanh' or 'relu'; got {activation!r}.")
        self.input_size, self.hidden_size = input_size, hidden_size
        self.activation = torch.tanh if activation == "tanh" else torch.relu
        self.input = nn.Linear(input_size, hidden_size, False, device, dtype)
        self.recur = nn.Linear(hidden_size, hidden_size, False, device, dtype)
        self.norm = nn.LayerNorm(hidden_size, eps, affine, device=device, dtype=dtype)
        orthogonal_blocks(self.recur.weight, hidden_size)

    def initial_state(self, batch_size: int) -> Tensor:
        """Zeros (B, H)."""
        return self.zeros(batch_size, self.hidden_size)

    def forward(self, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        """One step: x (B, D), h (B, H)."""
        h = self.activation(self.norm(self.recur(h) + self.input(x)))
        return h, h
