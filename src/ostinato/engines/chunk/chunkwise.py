"""The recurrence of a matrix state in chunks: products of matrices, one short loop over chunks.

With Γ the sum of g since the beginning of a chunk and S its first state, the rows of a chunk are

    A_ij = a_i · k_j e^{Γ_i − Γ_j} (j < i),   P_ij = q_i · k_j e^{Γ_i − Γ_j} (j written by i)
    (I + A) N = V − (e^Γ ⊙ a) S
    O = (e^Γ ⊙ q) S + P N,   S' = e^{Γ_C} S + (e^{Γ_C − Γ} ⊙ k)ᵀ N

N is what is written under each key, after erasing. All but N and S' is found for all chunks
together.

Source: Yang, Wang, Zhang, Shen & Kim 2024, "Parallelizing Linear Transformers with the Delta Rule
over Sequence Length", arXiv 2406.06484; the gate of Yang, Kautz & Hatamizadeh 2024, arXiv
2412.06464; several updates a step as Siems et al. 2025, arXiv 2502.10297.
Deviation: decay key by key is treated by halving, not by blocks of 16; the gradient of g is read
off those of a, k and q, in which Γ appears as a factor e^{±Γ} only:
dΓ = q ⊙ dq + a ⊙ da − k ⊙ dk, and ⟨S', dS'⟩ at the end of the chunk.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ostinato.engines.chunk.decay import Decay, make_decay
from ostinato.engines.chunk.operands import Chunks, Operands, chunked, cut, joined
from ostinato.engines.chunk.triangular import unit_inverse


@dataclass(frozen=True)
class _Blocks:
    """What of the chunks depends on no state.

    Attributes:
        decay: inside chunks.
        read: P (R, M, C, C·n).
        inverse: (I + A)⁻¹ (R, M, C·n, C·n), or None.
        entering: e^Γ ⊙ q.
        leaving: e^{Γ_C − Γ} ⊙ k.
        erase: (I + A)⁻¹ (e^Γ ⊙ a), or None.
    """

    decay: Decay
    read: Tensor
    inverse: Tensor | None
    entering: Tensor
    leaving: Tensor
    erase: Tensor | None


def chunkwise(
    operands: Operands, state: Tensor, size: int
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """o (R, T, V), the last state, and of every chunk the first state and N, (R, M, ...).

    Args:
        operands: of the recurrence.
        state: before the first step (R, K, V).
        size: steps in a chunk, a power of 2.
    """
    chunks = chunked(operands, size)
    blocks = _blocks(chunks)
    values = chunks.v if blocks.inverse is None else blocks.inverse @ chunks.v
    firsts, news = [], []
    for m in range(values.shape[1]):
        firsts.append(state)
        new = values[:, m]
        if blocks.erase is not None:
            new = torch.baddbmm(new, blocks.erase[:, m], state, alpha=-1)
        news.append(new)
        kept = blocks.decay.whole[:, m, :, None] * state
        state = torch.baddbmm(kept, blocks.leaving[:, m].mT, new)
    starts, written = torch.stack(firsts, 1), torch.stack(news, 1)
    o = blocks.entering @ starts + blocks.read @ written
    return joined(o, operands.q.shape[1]), state, starts, written


def chunkwise_backward(
    operands: Operands,
    starts: Tensor,
    written: Tensor,
    last: Tensor,
    grad_o: Tensor,
    grad_state: Tensor,
    size: int,
) -> tuple[Operands, Tensor]:
    """The gradients of the operands and of the first state.

    Args:
        operands: of the recurrence.
        starts: of every chunk the first state (R, M, K, V).
        written: N (R, M, C·n, V).
        last: the last state.
        grad_o: of o.
        grad_state: of the last state.
        size: steps in a chunk.
    """
    chunks = chunked(operands, size)
    blocks, do = _blocks(chunks), cut(grad_o, size)
    dn, ends, first = _states_back(blocks, do, grad_state)
    dv = dn if blocks.inverse is None else blocks.inverse.mT @ dn
    decay, n = blocks.decay, chunks.updates
    dp = _written_by(do @ written.mT, n)
    dq = decay.to_rows(dp, chunks.k) + _steps(decay.entering, 1) * (do @ starts.mT)
    dk = decay.to_columns(dp, chunks.q) + _steps(decay.leaving, n) * (written @ ends.mT)
    dgamma = chunks.q * dq
    da = None
    if chunks.erase is not None:
        inner = -(dv @ written.mT).tril(-1)
        da = decay.to_rows(inner, chunks.k) - _steps(decay.entering, n) * (dv @ starts.mT)
        dk = dk + decay.to_columns(inner, chunks.erase)
        dgamma = dgamma + _of_steps(chunks.erase * da, n)
    steps = operands.q.shape[1]
    dg = None
    if operands.g is not None:
        dgamma = dgamma - _of_steps(chunks.k * dk, n)
        following = torch.cat([starts[:, 1:], last[:, None]], 1)
        dgamma[:, :, -1] += (following * ends).sum(-1)
        if operands.g.shape[-1] == 1:
            dgamma = dgamma.sum(-1, keepdim=True)
        dg = joined(dgamma.flip(2).cumsum(2).flip(2), steps)
    da = None if da is None else joined(da, steps * n)
    return Operands(joined(dq, steps), joined(dk, steps * n), joined(dv, steps * n), dg, da), first


def _blocks(chunks: Chunks) -> _Blocks:
    decay, n = make_decay(chunks.gamma, chunks.q.dtype), chunks.updates
    inverse = erase = None
    if chunks.erase is not None:
        inverse = unit_inverse(decay.scores(chunks.erase, chunks.k).tril(-1))
        erase = inverse @ (_steps(decay.entering, n) * chunks.erase)
    return _Blocks(
        decay=decay,
        read=decay.scores(chunks.q, chunks.k),
        inverse=inverse,
        entering=decay.entering * chunks.q,
        leaving=_steps(decay.leaving, n) * chunks.k,
        erase=erase,
    )


def _states_back(blocks: _Blocks, do: Tensor, grad: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The gradients of N, of the state after each chunk, and of the first state."""
    dn, read = blocks.read.mT @ do, blocks.entering.mT @ do
    ends, news = [], []
    for m in reversed(range(do.shape[1])):
        ends.append(grad)
        new = torch.baddbmm(dn[:, m], blocks.leaving[:, m], grad)
        news.append(new)
        grad = torch.addcmul(read[:, m], blocks.decay.whole[:, m, :, None], grad)
        if blocks.erase is not None:
            grad = torch.baddbmm(grad, blocks.erase[:, m].mT, new, alpha=-1)
    return torch.stack(news[::-1], 1), torch.stack(ends[::-1], 1), grad


def _steps(factor: Tensor, n: int) -> Tensor:
    """A factor of steps (..., C, K) for the n rows of each."""
    return factor if n == 1 else factor.repeat_interleave(n, -2)


def _of_steps(rows: Tensor, n: int) -> Tensor:
    """The sum over the n rows of each step."""
    return rows if n == 1 else torch.unflatten(rows, -2, (-1, n)).sum(-2)


def _written_by(weights: Tensor, n: int) -> Tensor:
    """Weights (..., C, C·n) without what is written after step i."""
    if n == 1:
        return weights.tril()
    size = weights.shape[-2]
    later = torch.ones(size, size, dtype=torch.bool, device=weights.device).triu(1)
    return weights.masked_fill(later.repeat_interleave(n, -1), 0)
