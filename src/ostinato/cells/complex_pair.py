"""Complex numbers as pairs of real tensors.

A state of two real leaves has the dtype of the parameters, whatever it is, and the compiler sees
what couples them: a 2×2 block for each unit.
"""

from __future__ import annotations

import torch
from torch import Tensor

Pair = tuple[Tensor, Tensor]
"""Real and imaginary part, of one shape."""


def times(a: Pair, b: Pair) -> Pair:
    """The product a b."""
    return a[0] * b[0] - a[1] * b[1], a[0] * b[1] + a[1] * b[0]


def polar(radius: Tensor, angle: Tensor) -> Pair:
    """radius · e^{i angle}."""
    return radius * torch.cos(angle), radius * torch.sin(angle)


def rows(matrix: Tensor) -> Tensor:
    """A complex matrix (N, D) as the real one (2N, D) that gives real, then imaginary parts."""
    return torch.cat([matrix.real, matrix.imag])


def real_part(matrix: Tensor) -> Tensor:
    """A complex matrix (H, N) as the real one (H, 2N) that takes parts h to Re(matrix h)."""
    return torch.cat([matrix.real, -matrix.imag], 1)
