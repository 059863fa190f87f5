"""The vision transformer, against which image models are measured.

    y = W_out softmax(q kᵀ / √K) v                        over all tokens, in heads

Source: Dosovitskiy et al. 2021, "An Image is Worth 16x16 Words: Transformers for Image Recognition
at Scale", ICLR, arXiv 2010.11929.
Deviation: the read-out is the caller's choice, not a class token, so that models differ in what
mixes their tokens only.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ostinato.core.errors import ArgumentError
from ostinato.models.graph.vision import PatchEmbedding, TokenBlock, VisionModel


class SelfAttention(nn.Module):
    """Every token attends to all: (B, X, Y, D) to (B, X, Y, D).

    Args:
        size: D.
        heads: how many; a divisor of D.
        device: of the parameters.
        dtype: of the parameters.

    Raises:
        ArgumentError: if the heads do not divide D.
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
        if heads < 1 or size % heads:
            raise ArgumentError(f"heads must divide the size {size}; got heads={heads}.")
        self.heads = heads
        self.input = nn.Linear(size, 3 * size, device=device, dtype=dtype)
        self.output = nn.Linear(size, size, device=device, dtype=dtype)

    def forward(self, x: Tensor) -> Tensor:
        """(B, X, Y, D) to (B, X, Y, D)."""
        tokens = torch.unflatten(self.input(x.flatten(1, 2)), -1, (3, self.heads, -1))
        q, k, v = tokens.transpose(1, 3).unbind(2)  # (B, heads, N, K)
        mixed = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(-2)
        y: Tensor = self.output(mixed)
        return y.view_as(x)


class VisionTransformer(VisionModel):
    """Blocks of attention over patches: (B, X, Y, C) to (B, classes).

    Args:
        channels: C.
        classes: how many answers.
        width: D.
        layers: how many blocks.
        heads: a divisor of D.
        patch: pixels along the sides of a patch.
        positions: tokens along the sides of the grid that position embeddings are learned for;
            None: no position embeddings.
        readout: "corners" or "mean".
        device: of the parameters.
        dtype: of the parameters.
    """

    def __init__(
        self,
        channels: int,
        classes: int,
        width: int = 192,
        layers: int = 12,
        heads: int = 3,
        *,
        patch: int = 16,
        positions: tuple[int, int] | None = None,
        readout: str = "mean",
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        on: dict[str, Any] = {"device": device, "dtype": dtype}
        embedding = PatchEmbedding(channels, width, patch, positions, **on)
        blocks = [
            TokenBlock(width, SelfAttention(width, heads, **on), nn.LayerNorm, **on)
            for _ in range(layers)
        ]
        super().__init__(embedding, blocks, nn.LayerNorm(width, **on), classes, readout)
