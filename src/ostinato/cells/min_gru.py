"""minGRU: a GRU whose gate and candidate read the input only, so that its step is affine in h.

    z_t = σ(W_z x_t + b_z)
    n_t = g(W_n x_t + b_n)
    h_t = (1 − z_t) ⊙ h_{t−1} + z_t ⊙ n_t

g is the identity or, to keep h positive, g(a) = a + ½ for a ≥ 0, σ(a) below.

Source: Feng, Tung, Ahmed, Bengio & Hajimirsadeghi 2024, "Were RNNs All We Needed?",
arXiv 2410.01201; n is the paper's h̃.
Deviation: the paper needs h > 0 to scan in logarithms. Scans here take A and b as they are, so
that the identity, the paper's plain form, loses nothing and is the default.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ostinato.core.cell import Cell


def positive(a: Tensor) -> Tensor:
    """g(a) = a + ½ where a ≥ 0, σ(a) elsewhere: positive, and linear for large a."""
    return torch.where(a >= 0, a + 0.5, torch.sigmoid(a))


class MinGRUCell(Cell):
    """The minGRU; state and output are h.

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
        self.input = nn.Linear(input_size, 2 * hidden_size, bias, device, dtype)

    def initial_state(self, batch_size: int) -> Tensor:
        """Zeros (B, H)."""
        return self.zeros(batch_size, self.hidden_size)

    def forward(self, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        """One step: x (B, D), h (B, H)."""
        x_z, x_n = self.input(x).chunk(2, -1)
        z = torch.sigmoid(x_z)
        n = positive(x_n) if self.positive else x_n
        h = (1 - z) * h + z * n
        return h, h

    def extra_repr(self) -> str:
        """The options, for `print`."""
        return f"positive={self.positive}"
