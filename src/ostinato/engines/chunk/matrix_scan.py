"""`matrix_scan`: a matrix for a state, which decays, is erased from and written to."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ostinato.core.errors import ArgumentError, ShapeError, nearest
from ostinato.core.sequence import join_tokens, split_tokens
from ostinato.engines.chunk.recurrence import recur
from ostinato.engines.chunk.steps import Steps


def matrix_scan(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    g: Tensor | None = None,
    erase: Tensor | None = None,
    beta: Tensor | None = None,
    scale: float | None = None,
    initial_state: Tensor | None = None,
    output_final_state: bool = False,
    cu_seqlens: Tensor | None = None,
    chunk_size: int | None = None,
    backend: str | None = None,
) -> tuple[Tensor, Tensor | None]:
    """Linear attention with decay and erasure, for all steps.

        S ← diag(e^{g_t}) S
        S ← S + β_{t,j} k_{t,j} (v_{t,j} − a_{t,j}ᵀ S)ᵀ    for j = 1 … n
        o_t = scale · Sᵀ q_t

    Without a, `erase`, it is linear attention: that of RetNet and Mamba-2 with a decay for each
    head, GLA with one for each key. With a = k it is the delta rule, see `delta_rule`. RWKV-7
    takes n = 2 updates, one that erases and one that writes.

    Chunks of steps are computed as products of matrices, forward and backward, in float32 or
    float64; inputs of lower precision are converted, and o is given back in theirs. The
    gradient of the gradient goes step by step.

        o, _ = ost.matrix_scan(q, k, v, g=torch.full((2, 100, 4, 1), -0.1))

    Args:
        q: queries (B, T, H, K).
        k: keys (B, T·n, H, K), the n of a step next to one another.
        v: values (B, T·n, H, V).
        g: logarithm of the decay, at most 0: (B, T, H) or (B, T, H, 1) for all keys, or
            (B, T, H, K); None: no decay.
        erase: a (B, T·n, H, K); None: zero.
        beta: β (B, T·n, H); None: 1.
        scale: None: K^{−1/2}.
        initial_state: S before the first step (B, H, K, V); None: zero.
        output_final_state: whether to return S after the last step.
        cu_seqlens: (N+1,) borders of sequences that lie end to end in a batch of one, counted in
            steps; there are N states then.
        chunk_size: steps in a chunk, a power of 2; None: what is fast.
        backend: "flash-linear-attention", for that library's kernels, which have chunks of their
            own and the precision of v; None: the own code.

    Returns:
        o (B, T, H, V), and S (B, H, K, V), in float64 if v is, else float32, or None.

    Raises:
        ShapeError: if shapes do not fit together.
        ArgumentError: if `chunk_size` is no power of 2, or the backend is unknown or does not take
            these tensors.
        MissingExtraError: if the backend is not installed.
    """
    check(q, k, v, g, erase, beta, chunk_size)
    scale = q.shape[-1] ** -0.5 if scale is None else scale
    g = g[..., None] if g is not None and g.dim() == 3 else g
    steps = Steps(q, k, v, g, erase, beta)
    if backend is not None:
        o, last = _peer(backend)(steps, initial_state, scale, cu_seqlens)
        return o, last if output_final_state else None
    position = None
    if cu_seqlens is not None:
        steps, position = _apart(steps, cu_seqlens)
    exact = torch.float64 if v.dtype == torch.float64 else torch.float32
    steps = steps.map(lambda x: x.to(exact))
    rows, _, heads, keys = steps.q.shape
    state = _first(initial_state, (rows, heads, keys, v.shape[-1]), steps.q)
    o, last = recur(steps, state, scale, chunk_size)
    o = o.to(v.dtype) if position is None else join_tokens(o.to(v.dtype), position)
    return o, last if output_final_state else None


def _peer(backend: str) -> Callable[..., tuple[Tensor, Tensor]]:
    # Peers are looked at when they are asked for.
    from ostinato.engines.peers import fla_scan

    if backend != fla_scan.NAME:
        raise ArgumentError(
            f"No backend is called {backend!r}. {nearest(backend, [fla_scan.NAME])}"
        )
    return fla_scan.scan


def _apart(steps: Steps, borders: Tensor) -> tuple[Steps, Tensor]:
    """Sequences end to end as rows, and the position of every step in them."""
    count = steps.q.shape[1]
    _, _, position = split_tokens(steps.q, borders)

    def apart(x: Tensor) -> Tensor:
        padded, _, _ = split_tokens(x, borders * (x.shape[1] // max(1, count)))
        return padded

    return steps.map(apart), position


def _first(state: Tensor | None, shape: tuple[int, ...], like: Tensor) -> Tensor:
    if state is None:
        return like.new_zeros(shape)
    if tuple(state.shape) != shape:
        raise ShapeError(
            f"initial_state must be {list(shape)}, one matrix (K, V) for each head of each "
            f"sequence; got {list(state.shape)}."
        )
    return state.to(like.dtype)


def check(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    g: Tensor | None,
    erase: Tensor | None,
    beta: Tensor | None,
    size: int | None,
) -> None:
    """Raise unless the operands of `matrix_scan` fit together.

    Raises:
        ShapeError: naming what was expected.
        ArgumentError: if `size` is no power of 2.
    """
    if q.dim() != 4 or k.dim() != 4 or v.dim() != 4:
        shapes = ", ".join(str(list(each.shape)) for each in (q, k, v))
        raise ShapeError(f"q, k and v must be (B, T, H, K) and (B, T, H, V); got {shapes}.")
    batch, steps, heads, keys = q.shape
    updates = k.shape[1] // steps if steps else 1
    rows = (batch, updates * steps, heads)
    if tuple(k.shape) != (*rows, keys) or tuple(v.shape[:3]) != rows:
        raise ShapeError(
            f"With q {list(q.shape)}, k must be (B, T·n, H, K) and v (B, T·n, H, V); got "
            f"k {list(k.shape)} and v {list(v.shape)}."
        )
    if erase is not None and erase.shape != k.shape:
        raise ShapeError(f"erase must be like k {list(k.shape)}; got {list(erase.shape)}.")
    if beta is not None and tuple(beta.shape) != rows:
        raise ShapeError(f"beta must be {list(rows)}, one for each key; got {list(beta.shape)}.")
    one = (batch, steps, heads)
    if g is not None and tuple(g.shape) not in (one, (*one, 1), (*one, keys)):
        raise ShapeError(
            f"g must be {list(one)}, or with the keys {[*one, keys]}; got {list(g.shape)}."
        )
    if size is not None and (size < 1 or size & (size - 1)):
        raise ArgumentError(f"chunk_size must be a power of 2; got {size}. Take 64.")
