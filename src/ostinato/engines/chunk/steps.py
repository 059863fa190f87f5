"""What a recurrence of a matrix state is given, batch first, as users have it."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from torch import Tensor

from ostinato.engines.chunk.operands import Operands


class Steps(NamedTuple):
    """All steps of a batch in heads; N = β (v − aᵀ S) is what is written under k.

    Attributes:
        q: (B, T, H, K).
        k: (B, T·n, H, K).
        v: (B, T·n, H, V).
        g: (B, T, H, 1) or (B, T, H, K), or None.
        erase: a (B, T·n, H, K), or None; for the delta rule it is k itself.
        beta: β (B, T·n, H), or None for 1.
    """

    q: Tensor
    k: Tensor
    v: Tensor
    g: Tensor | None
    erase: Tensor | None
    beta: Tensor | None

    @property
    def updates(self) -> int:
        """n."""
        return self.k.shape[1] // max(1, self.q.shape[1])

    def map(self, function: Callable[[Tensor], Tensor]) -> Steps:
        """A function of each."""
        found = [None if each is None else function(each) for each in self]
        if self.erase is self.k:
            found[4] = found[1]
        return Steps(*found)  # type: ignore[arg-type]

    def by_heads(self, scale: float) -> Operands:
        """One recurrence for each head of each row, with q scaled and β multiplied out."""
        v, erase = self.v, self.erase
        if self.beta is not None:
            v = self.beta[..., None] * v
            erase = None if erase is None else self.beta[..., None] * erase
        operands = Operands(self.q * scale, self.k, v, self.g, erase)
        return operands.map(lambda x: x.transpose(1, 2).flatten(0, 1))
