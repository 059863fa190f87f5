"""What a recurrence of a matrix state is made of, and the same cut into chunks of time.

    S ← diag(e^{g_t}) S
    S ← S + k_{t,j} (v_{t,j} − a_{t,j}ᵀ S)ᵀ    for j = 1 … n
    o_t = Sᵀ q_t

a is the *erase key*; without it nothing is taken out. The delta rule is a = βk with βv for v.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

# e to this is zero in float64; sums of a chunk's gates stay exact, and −∞ makes no NaN.
_GONE = -800.0


class Operands(NamedTuple):
    """All steps of R independent recurrences; n updates of a step stand next to one another.

    Attributes:
        q: (R, T, K), scaled.
        k: (R, T·n, K).
        v: (R, T·n, V).
        g: (R, T, 1), or (R, T, K): logarithms of the decay, at most 0; None: no decay.
        erase: a (R, T·n, K), or None.
    """

    q: Tensor
    k: Tensor
    v: Tensor
    g: Tensor | None
    erase: Tensor | None

    @property
    def updates(self) -> int:
        """n."""
        return self.k.shape[1] // max(1, self.q.shape[1])

    def map(self, function: Callable[[Tensor], Tensor]) -> Operands:
        """A function of each."""
        erase = None if self.erase is None else function(self.erase)
        g = None if self.g is None else function(self.g)
        return Operands(function(self.q), function(self.k), function(self.v), g, erase)


@dataclass(frozen=True)
class Chunks:
    """Operands in M chunks of C steps; what the last one lacks changes no state.

    Attributes:
        q: (R, M, C, K).
        k: (R, M, C·n, K).
        v: (R, M, C·n, V).
        gamma: (R, M, C, 1 or K), Σ of g from the beginning of the chunk, in float64.
        erase: (R, M, C·n, K), or None.
        updates: n.
    """

    q: Tensor
    k: Tensor
    v: Tensor
    gamma: Tensor
    erase: Tensor | None
    updates: int


def chunked(operands: Operands, size: int) -> Chunks:
    """Cut operands into chunks of `size` steps."""
    q, k, v, g, erase = operands
    n = operands.updates
    g = q.new_zeros(*q.shape[:2], 1) if g is None else g
    gamma = cut(g.double().clamp(min=_GONE), size).cumsum(2)
    erase = None if erase is None else cut(erase, size * n)
    return Chunks(cut(q, size), cut(k, size * n), cut(v, size * n), gamma, erase, n)


def cut(x: Tensor, size: int) -> Tensor:
    """(R, T, ...) as (R, M, size, ...), filled up with zeros."""
    missing = -x.shape[1] % size
    if missing:
        x = F.pad(x, (0, 0, 0, missing))
    return torch.unflatten(x, 1, (-1, size))


def joined(x: Tensor, steps: int) -> Tensor:
    """The inverse of `cut`: (R, M, size, ...) as (R, steps, ...)."""
    return x.flatten(1, 2)[:, :steps]
