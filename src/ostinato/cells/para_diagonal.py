"""The diagonal recurrence of the ParaRNN cells: how it begins, and how it is bounded.

    B_k ~ U(−√(3 / (D/K)), √(3 / (D/K)))           every head k of the input map
    a   ~ N(0, 1/H), cut off at ±0.9
    b   = 0

These and the bound on a keep the derivative of a step by its state below 1 in most elements, so
that Newton's method over a whole sequence needs few iterations however long it is.

Source: Danieli et al. 2025, arXiv 2510.21450, for language models.
"""

from __future__ import annotations

from torch import Tensor, nn

from ostinato.cells.block_linear import BlockLinear
from ostinato.core.errors import ArgumentError


def begin(input: nn.Linear | BlockLinear, *diagonals: Tensor) -> None:
    """Draw an input map and the diagonals (..., H) of a cell."""
    bound = (3 / max(1, input.weight.shape[-1])) ** 0.5
    nn.init.uniform_(input.weight, -bound, bound)
    if input.bias is not None:
        nn.init.zeros_(input.bias)
    for diagonal in diagonals:
        deviation = max(1, diagonal.shape[-1]) ** -0.5
        nn.init.trunc_normal_(diagonal, std=deviation, a=-0.9, b=0.9)


def clipped(diagonal: Tensor, clip: float | None) -> Tensor:
    """A diagonal with every element in [−clip, clip]; None: as it is."""
    return diagonal if clip is None else diagonal.clamp(-clip, clip)


def check_clip(clip: float | None) -> None:
    """Raise unless `clip` is a bound.

    Raises:
        ArgumentError: if it is not positive.
    """
    if clip is not None and not clip > 0:
        raise ArgumentError(f"clip must be positive, or None for no bound; got {clip!r}.")
