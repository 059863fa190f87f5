"""Minimal gated unit: a GRU whose one gate both resets and updates.

    f_t = σ(W_f x_t + U_f h_{t−1} + b_f)
    n_t = tanh(W_n x_t + U_n (f_t ⊙ h_{t−1}) + b_n)
    h_t = (1 − f_t) ⊙ h_{t−1} + f_t ⊙ n_t

Source: Zhou, Wu, Zhang & Zhou 2016, "Minimal gated unit for recurrent neural networks",
arXiv 1603.09420.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ostinato.cells.initialise import uniform
from ostinato.core.cell import Cell


class MinimalGatedCell(Cell):
    """The minimal gated unit; state and output are h.

    Args:
        input_size: D.
        hidden_size: H.
        bias: whether there is b.
        device: of the parameters.
        dtype: of the parameters.

    Shapes: x (B, D); state and output (B, H).
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        bias: bool = True,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.input_size, self.hidden_size = input_size, hidden_size
        self.input = nn.Linear(input_size, 2 * hidden_size, bias, device, dtype)
        self.recur_gate = nn.Linear(hidden_size, hidden_size, False, device, dtype)
        self.recur_new = nn.Linear(hidden_size, hidden_size, False, device, dtype)
        uniform(self, hidden_size)

    def initial_state(self, batch_size: int) -> Tensor:
        """Zeros (B, H)."""
        return self.zeros(batch_size, self.hidden_size)

    def forward(self, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        """One step: x (B, D), h (B, H)."""
        x_f, x_n = self.input(x).chunk(2, -1)
        f = torch.sigmoid(x_f + self.recur_gate(h))
        n = torch.tanh(x_n + self.recur_new(f * h))
        h = (1 - f) * h + f * n
        return h, h
