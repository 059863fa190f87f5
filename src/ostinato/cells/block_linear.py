"""A linear map in heads: each slice of the input feeds its own slice of the output only.

    y_k = W_k x_k + b_k,    k = 1 … K

A dense map with all blocks off the diagonal zero, at 1/K of its weights. `parts` maps of equal
size, e.g. those of the gates of a cell, share one module, as they do in a cell's `nn.Linear`.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ostinato.core.errors import ArgumentError


class BlockLinear(nn.Module):
    """`parts` block-diagonal maps from D to H features, their outputs end to end.

    Args:
        input_size: D.
        output_size: H, of each part.
        heads: K, a divisor of both.
        parts: P, how many maps.
        bias: whether there is b.
        device: of the parameters.
        dtype: of the parameters.

    Shapes: input (..., D), output (..., P·H); weight (K, P·H/K, D/K), bias (P·H).

    Attributes:
        in_features: D.
        out_features: P·H.

    Raises:
        ArgumentError: if the sizes cannot be divided by the heads.
    """

    def __init__(
        self,
        input_size: int,
        output_size: int,
        heads: int,
        parts: int = 1,
        *,
        bias: bool = True,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        if heads < 1 or input_size % heads or output_size % heads:
            raise ArgumentError(
                f"heads must divide the input size {input_size} and the output size "
                f"{output_size}; got heads={heads}."
            )
        self.heads, self.parts = heads, parts
        rows = parts * output_size
        self.in_features, self.out_features = input_size, rows
        block = (heads, rows // heads, input_size // heads)
        self.weight = nn.Parameter(torch.empty(block, device=device, dtype=dtype))
        self.bias = nn.Parameter(torch.empty(rows, device=device, dtype=dtype)) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw all parameters from U(−1/√(D/K), 1/√(D/K)), as nn.Linear does for each block."""
        bound = max(1, self.weight.shape[-1]) ** -0.5
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -bound, bound)

    def forward(self, x: Tensor) -> Tensor:
        """(..., D) to (..., P·H)."""
        slices = torch.unflatten(x, -1, (self.heads, x.shape[-1] // self.heads))
        heads = torch.einsum("...ki,kji->...kj", slices, self.weight)
        y = torch.cat([part.flatten(-2) for part in heads.chunk(self.parts, -1)], -1)
        return y if self.bias is None else y + self.bias

    def extra_repr(self) -> str:
        """The number of heads, for `print`."""
        return f"heads={self.heads}"


def stacked_linear(
    input_size: int,
    output_size: int,
    heads: int,
    parts: int,
    bias: bool,
    device: torch.device | str | None,
    dtype: torch.dtype | None,
) -> nn.Linear | BlockLinear:
    """The input map of a cell with `parts` gates: dense if there is one head."""
    if heads == 1:
        return nn.Linear(input_size, parts * output_size, bias, device, dtype)
    return BlockLinear(input_size, output_size, heads, parts, bias=bias, device=device, dtype=dtype)
