"""Layer norm of each head by itself: a group norm whose groups are the heads, without shift.

    y_k = g_k ⊙ (x_k − mean x_k) / √(var x_k + ε),    k = 1 … K

Source: Wu & He 2018, "Group Normalization", arXiv 1803.08494; over heads of a recurrence: Beck et
al. 2024, "xLSTM", arXiv 2405.04517.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class HeadNorm(nn.Module):
    """From (..., D) to (..., D), zero mean and unit variance within each head.

    Args:
        size: D.
        heads: K, a divisor of it.
        device: of the parameters.
        dtype: of the parameters.
    """

    def __init__(
        self,
        size: int,
        heads: int,
        *,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.heads = heads
        self.weight = nn.Parameter(torch.ones(size, device=device, dtype=dtype))

    def forward(self, x: Tensor) -> Tensor:
        """(..., D) to (..., D)."""
        size = x.shape[-1] // self.heads
        normal = F.layer_norm(torch.unflatten(x, -1, (self.heads, size)), (size,))
        return normal.flatten(-2) * self.weight

    def extra_repr(self) -> str:
        """The number of heads, for `print`."""
        return f"heads={self.heads}"
