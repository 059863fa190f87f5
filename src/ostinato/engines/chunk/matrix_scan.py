"""`matrix_scan`: a matrix for a state, which decays, is erased from and written to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from ostinato.core.errors import ArgumentError, nearest
from ostinato.engines.chunk.arguments import check
from ostinato.engines.chunk.arrangement import Arrangement
from ostinato.engines.chunk.recurrence import recur
from ostinato.engines.chunk.steps import Steps
from ostinato.engines.chunk.stepwise import every_state


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
    *,
    read: str = "inclusive",
    reverse: bool = False,
    output_states: bool = False,
) -> tuple[Any, ...]:
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
        read: "inclusive": o_t reads S after step t; "exclusive": before it, S_{t−1}.
        reverse: run from the last step to the first; what is given and returned stays in the
            order of time, and so do the updates of a step.
        output_states: whether to return S after every step too; these are found step by step.

    Returns:
        o (B, T, H, V), and S (B, H, K, V), in float64 if v is, else float32, or None; with
        `output_states` also S after every step (B, T, H, K, V).

    Raises:
        ShapeError: if shapes, precisions or devices do not fit together.
        ArgumentError: if `chunk_size` is no power of 2, `read` is unknown, or the backend is or
            does not take these tensors.
        MissingExtraError: if the backend is not installed.
    """
    check(Steps(q, k, v, g, erase, beta), initial_state, cu_seqlens, chunk_size, read)
    scale = q.shape[-1] ** -0.5 if scale is None else scale
    steps = Steps(q, k, v, g[..., None] if g is not None and g.dim() == 3 else g, erase, beta)
    arrangement = Arrangement(cu_seqlens, reverse, read == "exclusive")
    if backend is not None and arrangement.plain and not output_states:
        # A peer takes sequences end to end as they are.
        o, last = _peer(backend)(steps, initial_state, scale, cu_seqlens)
        return o, last if output_final_state else None
    steps = arrangement.arranged(steps)
    exact = steps.map(lambda x: x.to(torch.promote_types(v.dtype, torch.float32)))
    state = _first(initial_state, exact)
    if backend is None:
        o, last = recur(exact, state, scale, chunk_size)
    else:
        o, last = _peer(backend)(steps, state, scale, None)
    found = arrangement.outputs(o.to(v.dtype)), last if output_final_state else None
    if not output_states:
        return found
    return *found, arrangement.states(every_state(exact, state))


def _peer(backend: str) -> Callable[..., tuple[Tensor, Tensor]]:
    # Peers are looked at when they are asked for.
    from ostinato.engines.peers import fla_scan

    if backend != fla_scan.NAME:
        raise ArgumentError(
            f"No backend is called {backend!r}. {nearest(backend, [fla_scan.NAME])}"
        )
    return fla_scan.scan


def _first(state: Tensor | None, steps: Steps) -> Tensor:
    if state is not None:
        return state.to(steps.q.dtype)
    rows, _, heads, keys = steps.q.shape
    return steps.q.new_zeros(rows, heads, keys, steps.v.shape[-1])
