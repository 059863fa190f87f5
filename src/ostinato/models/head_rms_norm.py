"""RMS normalisation of every head by itself, with a gain for every channel.

    y_h = g_h ⊙ x_h / √(mean(x_h²) + ε)

Source: Zhang & Sennrich 2019, "Root Mean Square Layer Normalization", arXiv 1910.07467, for heads
as in pLSTM, arXiv 2506.11997.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class HeadRMSNorm(nn.Module):
    """From (..., heads, V) to (..., heads, V).

    Args:
        heads: how many.
        size: V.
        eps: ε.
        device: of the parameters.
        dtype: of the parameters.
    """

    def __init__(
        self,
        heads: int,
        size: int,
        eps: float = 1e-5,
        *,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(heads, size, device=device, dtype=dtype))

    def forward(self, x: Tensor) -> Tensor:
        """(..., heads, V) to (..., heads, V)."""
        return F.rms_norm(x, x.shape[-1:], eps=self.eps) * self.weight
