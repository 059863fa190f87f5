"""GRU with layer normalisation.

    (r, z) = LN(U h_{t−1}; α1, β1) + LN(W x_t; α2, β2)
    n_t = tanh(LN(W_n x_t; α3, β3) + σ(r) ⊙ LN(U_n h_{t−1}; α4, β4))
    h_t = (1 − σ(z)) ⊙ n_t + σ(z) ⊙ h_{t−1}

The reset gate acts after the product.

Source: Ba, Kiros & Hinton 2016, "Layer normalization", arXiv 1607.06450, supplement.
Deviation: the paper writes h_t = (1 − σ(z)) ⊙ h_{t−1} + σ(z) ⊙ n_t; here it is the released
code's and torch's convention, which differs by the sign of z only. Maps have no bias inside
the normalisation, which the released code has. ε = 1e-5 inside the root.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from ostinato.cells.initialise import orthogonal_blocks
from ostinato.core.cell import Cell

__papers__ = ("layer-norm",)


class LayerNormGRUCell(Cell):
    """The layer-normalised GRU; state and output are h.

    Args:
        input_size: D.
        hidden_size: H. With H = 1 the candidate sees its input through r only.
        eps: ε.
        affine: whether gains and biases of the normalisations are learned.
        device: of the parameters.
        dtype: of the parameters.

    Shapes: x (B, D); state and output (B, H). Gates stand in the order r, z, n.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        eps: float = 1e-5,
        affine: bool = True,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.input_size, self.hidden_size = input_size, hidden_size
        placed: dict[str, Any] = {"device": device, "dtype": dtype}
        self.input = nn.Linear(input_size, 3 * hidden_size, False, **placed)
        self.recur = nn.Linear(hidden_size, 3 * hidden_size, False, **placed)
        self.norm_input = nn.LayerNorm(2 * hidden_size, eps, affine, **placed)
        self.norm_state = nn.LayerNorm(2 * hidden_size, eps, affine, **placed)
        self.norm_input_new = nn.LayerNorm(hidden_size, eps, affine, **placed)
        self.norm_state_new = nn.LayerNorm(hidden_size, eps, affine, **placed)
        nn.init.normal_(self.input.weight, std=input_size**-0.5)
        orthogonal_blocks(self.recur.weight, hidden_size)

    def initial_state(self, batch_size: int) -> Tensor:
        """Zeros (B, H)."""
        return self.zeros(batch_size, self.hidden_size)

    def forward(self, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        """One step: x (B, D), h (B, H)."""
        sizes = (2 * self.hidden_size, self.hidden_size)
        x_gates, x_new = self.input(x).split(sizes, -1)
        h_gates, h_new = self.recur(h).split(sizes, -1)
        r, z = torch.sigmoid(self.norm_state(h_gates) + self.norm_input(x_gates)).chunk(2, -1)
        n = torch.tanh(self.norm_input_new(x_new) + r * self.norm_state_new(h_new))
        h = (1 - z) * n + z * h
        return h, h
