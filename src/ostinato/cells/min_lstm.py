"""minLSTM: an LSTM whose gates read the input only, so that its step is affine in h.

    f_t = σ(W_f x_t + b_f),   i_t = σ(W_i x_t + b_i),   n_t = g(W_n x_t + b_n)
    h_t = f_t / (f_t + i_t) ⊙ h_{t−1} + i_t / (f_t + i_t) ⊙ n_t

g as in `min_gru`. The two factors sum to one, so that h does not grow with the length.

Source: Feng, Tung, Ahmed, Bengio & Hajimirsadeghi 2024, "Were RNNs All We Needed?",
arXiv 2410.01201; n is the paper's h̃.
Deviation: f / (f + i) is computed as σ(log f − log i), which is exact also where f and i vanish.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ostinato.cells.min_gru import positive
from ostinato.core.cell import Cell


class MinLSTMCell(Cell):
    """The minLSTM; state and output are h.

    Args:
        input_size: D.
        hidden_size: H.
        positive: keep h positive by g; False: g is the identity.
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
        positive: bool = False,
        bias: bool = True,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.input_size, self.hidden_size, self.positive = input_size, hidden_size, positive
        self.input = nn.Linear(input_size, 3 * hidden_size, bias, device, dtype)

    def initial_state(self, batch_size: int) -> Tensor:
        """Zeros (B, H)."""
        return self.zeros(batch_size, self.hidden_size)

    def forward(self, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        """One step: x (B, D), h (B, H)."""
        x_f, x_i, x_n = self.input(x).chunk(3, -1)
        f = torch.sigmoid(F.softplus(-x_i) - F.softplus(-x_f))
        n = positive(x_n) if self.positive else x_n
        h = f * h + (1 - f) * n
        return h, h

    def extra_repr(self) -> str:
        """The options, for `print`."""
        return f"positive={self.positive}"
