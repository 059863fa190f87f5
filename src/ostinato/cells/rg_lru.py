"""RG-LRU: the real-gated linear recurrent unit, a diagonal recurrence with an input-made decay.

    (r_t, i_t) = σ(W_r x_t + b_r), σ(W_i x_t + b_i),   u_t = W_u x_t + b_u
    log a_t = −c softplus(Λ) ⊙ r_t
    h_t = a_t ⊙ h_{t−1} + √(1 − a_t²) ⊙ (i_t ⊙ u_t)

Λ begins such that e^{−c softplus(Λ)}, the smallest a_t, is uniform in [decay_min, decay_max].

Source: De et al. 2024, "Griffin: Mixing Gated Linear Recurrences with Local Attention for
Efficient Language Models", arXiv 2402.19427.
Deviation: u is made of x here, by the linear map that precedes the unit in the paper's block; its
convolution is left out, and gates are dense, not block-diagonal.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ostinato.core.cell import Cell
from ostinato.core.errors import ArgumentError


class RGLRUCell(Cell):
    """The RG-LRU; state and output are h.

    Args:
        input_size: D.
        hidden_size: H.
        sharpness: c.
        decay_min: smallest e^{−c softplus(Λ)} at the beginning.
        decay_max: largest e^{−c softplus(Λ)} at the beginning.
        bias: whether there is b.
        device: of the parameters.
        dtype: of the parameters.

    Shapes: x (B, D); state and output (B, H); `decay` (H) is Λ.

    Raises:
        ArgumentError: if c is not positive, or not 0 < decay_min ≤ decay_max < 1.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        sharpness: float = 8.0,
        decay_min: float = 0.9,
        decay_max: float = 0.999,
        bias: bool = True,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        if not (sharpness > 0 and 0 < decay_min <= decay_max < 1):
            raise ArgumentError(
                "RG-LRU needs sharpness > 0 and 0 < decay_min <= decay_max < 1; got "
                f"sharpness={sharpness}, decay_min={decay_min}, decay_max={decay_max}."
            )
        self.input_size, self.hidden_size, self.sharpness = input_size, hidden_size, sharpness
        self.decay_min, self.decay_max = decay_min, decay_max
        self.input = nn.Linear(input_size, 3 * hidden_size, bias, device, dtype)
        self.decay = nn.Parameter(torch.empty(hidden_size, device=device, dtype=dtype))
        self.reset_parameters()

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Draw Λ as above, and W and b as nn.Linear does."""
        self.input.reset_parameters()
        u = torch.rand(self.hidden_size, dtype=torch.float64)
        rate = -torch.log(self.decay_min + (self.decay_max - self.decay_min) * u) / self.sharpness
        self.decay.copy_(torch.log(torch.expm1(rate)))

    def initial_state(self, batch_size: int) -> Tensor:
        """Zeros (B, H)."""
        return self.zeros(batch_size, self.hidden_size)

    def forward(self, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        """One step: x (B, D), h (B, H)."""
        x_r, x_i, u = self.input(x).chunk(3, -1)
        log_a = -self.sharpness * F.softplus(self.decay) * torch.sigmoid(x_r)
        # The root of 0 has no derivative; where a is 1 nothing comes in, and no gradient goes out.
        room = (-torch.expm1(2 * log_a)).clamp(min=torch.finfo(h.dtype).tiny)
        h = torch.exp(log_a) * h + torch.sqrt(room) * torch.sigmoid(x_i) * u
        return h, h

    def extra_repr(self) -> str:
        """The options, for `print`."""
        return f"sharpness={self.sharpness}"
