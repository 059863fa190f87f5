"""An affine map, or what is left of it where nothing may depend on the input: its bias."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from ostinato.cells.block_linear import BlockLinear


class BiasOnly(nn.Module):
    """The same numbers for every input: (..., D) to (..., N).

    Args:
        outputs: N.
        device: of the bias.
        dtype: of the bias.
    """

    def __init__(
        self,
        outputs: int,
        *,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(outputs, device=device, dtype=dtype))

    def forward(self, x: Tensor) -> Tensor:
        """(..., D) to (..., N)."""
        return self.bias.expand(*x.shape[:-1], -1)

    def extra_repr(self) -> str:
        """N, for `print`."""
        return str(len(self.bias))


Affine = nn.Linear | BlockLinear | BiasOnly


def affine(
    inputs: int, outputs: int, weights: bool, heads: int = 1, parts: int = 1, **on: Any
) -> Affine:
    """An affine map, without its matrix unless it is to have weights.

    Args:
        inputs: D.
        outputs: N.
        weights: whether there is a matrix.
        heads: blocks on the diagonal of the matrix, outside of which it is zero.
        parts: maps of this kind, their outputs end to end, in blocks each.
        **on: device and dtype.
    """
    if not weights:
        return BiasOnly(outputs, **on)
    if heads > 1:
        return BlockLinear(inputs, outputs // parts, heads, parts, **on)
    return nn.Linear(inputs, outputs, **on)
