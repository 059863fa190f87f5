"""The gated feed-forward block of today's language models.

    y = W_3 (SiLU(W_1 x) ⊙ W_2 x)

Source: Shazeer 2020, "GLU Variants Improve Transformer", arXiv 2002.05202 (SwiGLU, no biases).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class GatedMLP(nn.Module):
    """From (..., D) to (..., D) over `hidden` units.

    Args:
        size: D.
        hidden: the width between; None: 8/3 · D rounded up to a multiple of 256.
        device: of the parameters.
        dtype: of the parameters.
    """

    def __init__(
        self,
        size: int,
        hidden: int | None = None,
        *,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        if hidden is None:
            # three matrices then hold what two of the usual width 4 · D would
            hidden = -(-(8 * size // 3) // 256) * 256
        self.gate = nn.Linear(size, hidden, False, device, dtype)
        self.input = nn.Linear(size, hidden, False, device, dtype)
        self.output = nn.Linear(hidden, size, False, device, dtype)

    def forward(self, x: Tensor) -> Tensor:
        """(..., D) to (..., D)."""
        y: Tensor = self.output(F.silu(self.gate(x)) * self.input(x))
        return y
