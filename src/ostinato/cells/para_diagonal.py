"""The diagonal recurrence of the ParaRNN cells: how it begins, and how it is bounded.

    B_k ~ U(−√(3 / (D/K)), √(3 / (D/K)))           every head k of the input map
    a   ~ N(0, 1/H), cut off at ±0.9
    b   = 0

or, with `initial="released"`, as in the authors' code:

    B_k ~ U(−√(6 / (D/K + H/K)), √(6 / (D/K + H/K)))      every head k of every gate
    a   ~ N(0, 4 / (5H))
    b   = −(0 … 1) for the gate that lets the new in or keeps the old, z or f; else 0

The first and the bound on a keep the derivative of a step by its state below 1 in most elements, so
that Newton's method over a whole sequence needs few iterations however long it is.

Source: Danieli et al. 2025, arXiv 2510.21450, for language models.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ostinato.cells.block_linear import BlockLinear
from ostinato.core.errors import ArgumentError, nearest

INITIALS = ("paper", "released")


@torch.no_grad()
def begin(
    initial: str, gate: int, input: nn.Linear | BlockLinear, *diagonals: nn.Parameter
) -> None:
    """Draw the parameters of a cell.

    Args:
        initial: one of `INITIALS`.
        gate: which of the gates that `input` stacks has a bias in the released code.
        input: the input map.
        diagonals: a and p (..., H).
    """
    released, size = initial == "released", diagonals[0].shape[-1]
    heads = input.heads if isinstance(input, BlockLinear) else 1
    fan_in = input.weight.shape[-1]
    bound = (6 / max(1, fan_in + size // heads) if released else 3 / max(1, fan_in)) ** 0.5
    nn.init.uniform_(input.weight, -bound, bound)
    if input.bias is not None:
        nn.init.zeros_(input.bias)
        if released:
            own = input.bias[gate * size : (gate + 1) * size]
            own.copy_(-torch.linspace(0, 1, size, dtype=own.dtype))
    for diagonal in diagonals:
        deviation = max(1, size) ** -0.5
        if released:
            nn.init.normal_(diagonal, std=2 * deviation / 5**0.5)
        else:
            nn.init.trunc_normal_(diagonal, std=deviation, a=-0.9, b=0.9)


def clipped(diagonal: Tensor, clip: float | None) -> Tensor:
    """A diagonal with every element in [−clip, clip]; None: as it is."""
    return diagonal if clip is None else diagonal.clamp(-clip, clip)


def check(clip: float | None, initial: str) -> None:
    """Raise unless `clip` is a bound and `initial` one of `INITIALS`.

    Raises:
        ArgumentError: if one of them is not.
    """
    if initial not in INITIALS:
        raise ArgumentError(f"No beginning is called {initial!r}. {nearest(initial, INITIALS)}")
    if clip is not None and not clip > 0:
        raise ArgumentError(f"clip must be positive, or None for no bound; got {clip!r}.")
