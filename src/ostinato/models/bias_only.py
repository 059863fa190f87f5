"""An affine map, or what is left of it where nothing may depend on the input: its bias."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


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


def affine(inputs: int, outputs: int, weights: bool, **on: Any) -> nn.Linear | BiasOnly:
    """An affine map, without its matrix unless it is to have weights.

    Args:
        inputs: D.
        outputs: N.
        weights: whether there is a matrix.
        **on: device and dtype.
    """
    return nn.Linear(inputs, outputs, **on) if weights else BiasOnly(outputs, **on)
