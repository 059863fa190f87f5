"""Cells whose state is a matrix in every head, declared by what a step does to it."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from ostinato.core.cell import Cell


class Factors(NamedTuple):
    """What an input does to the state S (K, V) of every head; n updates, one after the other.

    Attributes:
        q: what is read (rows, H, K), o = Sᵀ q.
        k: where is written (rows, n, H, K).
        v: what is written (rows, n, H, V).
        g: logarithm of the decay before, (rows, H, 1) or (rows, H, K); None: no decay.
        erase: what is taken out before writing (rows, n, H, K), v − Sᵀ a; None: nothing.
        skip: what is added to o (rows, H, V), or None.
    """

    q: Tensor
    k: Tensor
    v: Tensor
    g: Tensor | None = None
    erase: Tensor | None = None
    skip: Tensor | None = None

    def map(self, function: Callable[[Tensor], Tensor]) -> Factors:
        """A function of each."""
        found = {
            name: None if each is None else function(each) for name, each in self._asdict().items()
        }
        return self._replace(**found)  # type: ignore[arg-type]


class MatrixCell(Cell):
    """A recurrence of a matrix in each head; a subclass says what an input does to it.

        S ← diag(e^g) S;   S ← S + k_j (v_j − a_jᵀ S)ᵀ for j = 1 … n;   y = Sᵀ q + skip

    The engine `chunk` computes the factors of all steps at once and never calls `forward`; since
    the step is made of the same factors, there is nothing in which the two could disagree.

    Attributes:
        heads: H.
        key_size: K.
        value_size: V.
    """

    heads: int
    key_size: int
    value_size: int

    def factors(self, x: Tensor) -> Factors:
        """What inputs (rows, D) do to the state; rows may be those of all steps."""
        raise NotImplementedError(f"{type(self).__name__} defines no factors(x) -> Factors.")

    def initial_state(self, batch_size: int) -> Tensor:
        """Zeros (B, H, K, V)."""
        return self.zeros(batch_size, self.heads, self.key_size, self.value_size)

    def forward(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """One step: x (B, D), state (B, H, K, V)."""
        q, k, v, g, erase, skip = self.factors(x)
        if g is not None:
            state = torch.exp(g)[..., None] * state
        for j in range(k.shape[-3]):
            new = v[..., j, :, None, :]
            if erase is not None:
                new = new - (erase[..., j, :, :, None] * state).sum(-2, keepdim=True)
            state = state + k[..., j, :, :, None] * new
        y = (q[..., None] * state).sum(-2)
        return (y if skip is None else y + skip).flatten(-2), state
