"""How many states, keys, values, queries and outputs a head of pLSTM has at a time.

    C'[i] = Σ_j T[i,j] C[j] + Σ_{a,b} S[i,a,b] k_a v_bᵀ
    h_i   = Σ_a q_aᵀ (Σ_j M[i,a,j] C[j] + Σ_{b,c} D[i,a,b,c] k_b v_cᵀ)

With several states that T mixes, a head can follow a state machine. The scans know of matrices
only: T (J, J), S (J, keys·values), M (outputs·queries, J), D (outputs·queries, keys·values).

Source: Pöppel, Freinschlag, Schmied, Lin & Hochreiter 2025, "pLSTM: parallelizable Linear Source
Transition Mark networks", NeurIPS, arXiv 2506.11997.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ostinato.core.errors import ArgumentError

__papers__ = ("plstm",)


@dataclass(frozen=True)
class Tracking:
    """How many states, keys, values, queries and outputs a head has at every step or cell.

    Attributes:
        states: J of T, of the carried state.
        keys: of S.
        values: of S.
        queries: of M.
        outputs: of M.

    Raises:
        ArgumentError: if one of them is below 1.
    """

    states: int = 1
    keys: int = 1
    values: int = 1
    queries: int = 1
    outputs: int = 1

    def __post_init__(self) -> None:
        for name, count in vars(self).items():
            if count < 1:
                raise ArgumentError(f"{name} must be at least 1; got {count!r}.")

    @property
    def written(self) -> int:
        """U, pairs of a key and a value."""
        return self.keys * self.values

    @property
    def read(self) -> int:
        """W, pairs of an output and a query."""
        return self.outputs * self.queries

    def vectors(self, tied: bool) -> tuple[int, ...]:
        """How many keys, values and, unless they are the keys, queries are computed.

        Raises:
            ArgumentError: if queries are to be keys and are not as many.
        """
        if tied and self.queries != self.keys:
            raise ArgumentError(
                f"Queries can be the keys where they are as many; got {self.queries} and "
                f"{self.keys}."
            )
        return (self.keys, self.values) if tied else (self.keys, self.values, self.queries)

    def paired(self, q: Tensor, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Queries (..., W, K) for every (output, query), keys and values for every pair of them."""
        if self.written == self.outputs == 1:
            return q, k, v
        lead = (1,) * (q.dim() - 2)
        return (
            q.repeat(*lead, self.outputs, 1),
            k.repeat_interleave(self.values, -2),
            v.repeat(*lead, self.keys, 1),
        )

    def summed(self, h: Tensor) -> Tensor:
        """What was read (..., W, V), summed over the queries: (..., outputs, V)."""
        return torch.unflatten(h, -2, (self.outputs, self.queries)).sum(-2)
