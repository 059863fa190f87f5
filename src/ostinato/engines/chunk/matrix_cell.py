"""Cells whose state is a matrix in every head, declared by what a step does to it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ostinato.core.cell import Cell
from ostinato.core.state import State, rows_like
from ostinato.engines.chunk.matrix_scan import matrix_scan


class Factors(NamedTuple):
    """What an input does to the state S (K, V) of every head; n updates, one after the other.

    Attributes:
        q: what is read (rows, H, K), o = Sᵀ q.
        k: where is written (rows, n, H, K).
        v: what is written (rows, n, H, V).
        g: logarithm of the decay before, (rows, H, 1) or (rows, H, K); None: no decay.
        erase: what is taken out before writing (rows, n, H, K), v − Sᵀ a; None: nothing.
        beta: how much of that is written (rows, n, H); None: all.
        skip: what is added to o (rows, H, V), or None.
    """

    q: Tensor
    k: Tensor
    v: Tensor
    g: Tensor | None = None
    erase: Tensor | None = None
    beta: Tensor | None = None
    skip: Tensor | None = None

    def map(self, function: Callable[[Tensor], Tensor]) -> Factors:
        """A function of each; what is erased stays k if it is k."""
        found = [None if each is None else function(each) for each in self]
        if self.erase is self.k:
            found[4] = found[1]
        return Factors(*found)  # type: ignore[arg-type]


class MatrixCell(Cell):
    """A recurrence of a matrix in each head; a subclass says what an input does to it.

        S ← diag(e^g) S;   S ← S + β_j k_j (v_j − a_jᵀ S)ᵀ for j = 1 … n;   y = Sᵀ q + skip

    The engine `chunk` calls `all_steps` in the place of `forward`. Both are made of the same
    factors, so there is nothing in which they could disagree.

    Attributes:
        heads: H.
        key_size: K.
        value_size: V.
        chunks_from: numbers in a matrix from which chunks were measured to be faster than generated
            code for single steps on the CPU, without a gradient and with one.
        chunk_size: steps in a chunk of the engine `chunk`, a power of 2; None: what is fast.
    """

    chunks_from: tuple[int, int] = (512, 512)
    chunk_size: int | None = None
    heads: int
    key_size: int
    value_size: int

    def factors(self, x: Tensor) -> Factors:
        """What inputs (rows, D) do to the state; rows may be those of all steps."""
        raise NotImplementedError(f"{type(self).__name__} defines no factors(x) -> Factors.")

    def matrices(self) -> MatrixCell | None:
        """The cell, or None if a subclass has another forward than `all_steps` does."""
        homes = [
            next(base for base in type(self).__mro__ if name in vars(base))
            for name in ("forward", "all_steps")
        ]
        return self if homes[0] is homes[1] else None

    def initial_state(self, batch_size: int) -> State:
        """Zeros (B, H, K, V)."""
        return self.zeros(batch_size, self.heads, self.key_size, self.value_size)

    def forward(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """One step: x (B, D), state (B, H, K, V)."""
        q, k, v, g, erase, beta, skip = self.factors(x)
        if g is not None:
            state = torch.exp(g)[..., None] * state
        for j in range(k.shape[-3]):
            new = v[..., j, :, None, :]
            if erase is not None:
                new = new - (erase[..., j, :, :, None] * state).sum(-2, keepdim=True)
            if beta is not None:
                new = beta[..., j, :, None, None] * new
            state = state + k[..., j, :, :, None] * new
        y = (q[..., None] * state).sum(-2)
        return (y if skip is None else y + skip).flatten(-2), state

    def all_steps(
        self, x: Tensor, valid: Tensor | None, state: State, backend: str | None = None
    ) -> tuple[Tensor, State]:
        """All steps together: outputs (B, T, H·V) and the last state, in at least float32.

        Args:
            x: (B, T, D).
            valid: (B, T), false where the state is held; None: nowhere.
            state: before the first step.
            backend: of `matrix_scan`.
        """
        steps = self.factors(x.flatten(0, 1)).map(lambda f: torch.unflatten(f, 0, x.shape[:2]))
        # Under autocast a step meets factors of low precision with a state of its own.
        steps = steps.map(lambda f: f.to(torch.promote_types(f.dtype, state.dtype)))
        if valid is not None:
            # Without decay, erasing and writing the state stays as it is.
            steps = steps.map(lambda f: f.masked_fill(~rows_like(valid, f), 0))
        # The updates of a step follow one another in time.
        k, v, erase, beta = (
            None if f is None else f.flatten(1, 2)
            for f in (steps.k, steps.v, steps.erase, steps.beta)
        )
        assert k is not None
        assert v is not None
        erase = k if steps.erase is steps.k else erase
        options: dict[str, Any] = {"chunk_size": self.chunk_size, "backend": backend}
        y, last = matrix_scan(steps.q, k, v, steps.g, erase, beta, 1.0, state, True, **options)
        return (y if steps.skip is None else y + steps.skip).flatten(-2), last
