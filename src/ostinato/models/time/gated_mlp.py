"""The gated feed-forward block of today's language models.

    y = W_3 (φ(W_1 x) ⊙ W_2 x)

Source: Shazeer 2020, "GLU Variants Improve Transformer", arXiv 2002.05202 (no biases; SwiGLU if
φ is SiLU, GEGLU if it is GELU).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class GatedMLP(nn.Module):
    """From (..., D) to (..., D) over `hidden` units.

    Args:
        size: D.
        hidden: the width between; None: 8/3 · D rounded up to a multiple of 256.
        activation: φ.
        device: of the parameters.
        dtype: of the parameters.
    """

    def __init__(
        self,
        size: int,
        hidden: int | None = None,
        activation: Callable[[Tensor], Tensor] = F.silu,
        *,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        if hidden is None:
            # three matrices then hold what two of the usual width 4 · D would
            hidden = -(-(8 * size // 3) // 256) * 256
        self.activation = activation
        self.gate = nn.Linear(size, hidden, False, device, dtype)
        self.input = nn.Linear(size, hidden, False, device, dtype)
        self.output = nn.Linear(hidden, size, False, device, dtype)

    def forward(self, x: Tensor) -> Tensor:
        """(..., D) to (..., D)."""
        y: Tensor = self.output(self.activation(self.gate(x)) * self.input(x))
        return y
