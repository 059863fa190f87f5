"""Functions of flash-linear-attention in plain torch, with the signatures that it documents."""

from __future__ import annotations

from itertools import pairwise

import torch


def by_sequence(step, count, v, initial_state, cu_seqlens, keys):
    """o (B, T, H, V) and the last states of single steps, sequence by sequence."""
    borders = [0, count] if cu_seqlens is None else cu_seqlens.tolist()
    outputs, states = [], []
    for i, (begin, end) in enumerate(pairwise(borders)):
        rows = slice(None) if cu_seqlens is None else slice(i, i + 1)
        state = v.new_zeros(len(v), v.shape[2], keys, v.shape[-1], dtype=torch.float32)
        state = state if initial_state is None else initial_state[rows]
        for t in range(begin, end):
            o, state = step(t, state)
            outputs.append(o)
        states.append(state)
    return torch.stack(outputs, 1).to(v.dtype), torch.cat(states)


def chunk_dplr_delta_rule(
    q, k, v, a, b, gk, scale=None, initial_state=None, output_final_state=False, cu_seqlens=None
):
    """S ← (diag(e^gk) + b aᵀ) S + k vᵀ."""
    assert q.shape == k.shape == a.shape == b.shape == gk.shape
    assert output_final_state

    def step(t, s):
        read = torch.einsum("bhk,bhkv->bhv", a[:, t].float(), s)
        s = gk[:, t, ..., None].exp() * s + b[:, t, ..., None] * read[:, :, None]
        s = s + k[:, t, ..., None] * v[:, t, :, None]
        return scale * torch.einsum("bhk,bhkv->bhv", q[:, t].float(), s), s

    return by_sequence(step, q.shape[1], v, initial_state, cu_seqlens, q.shape[-1])


def chunk_gla(q, k, v, g, **options):
    """S ← diag(e^g) S + k vᵀ."""
    assert q.shape == k.shape == g.shape
    zero = torch.zeros_like(k)
    return chunk_dplr_delta_rule(q, k, v, zero, zero, g, **options)


def chunk_simple_gla(q, k, v, g=None, **options):
    """One decay for all keys."""
    assert g is None or g.shape == q.shape[:3]
    zero = torch.zeros_like(k)
    g = zero if g is None else g[..., None].expand_as(k)
    return chunk_dplr_delta_rule(q, k, v, zero, zero, g, **options)


def chunk_kda(q, k, v, g, beta, **options):
    """S ← diag(e^g) S, then S ← S + β k (v − kᵀ S)ᵀ."""
    assert beta.shape == q.shape[:3]
    part = beta[..., None] * k
    return chunk_dplr_delta_rule(q, part, v, k * g.exp(), -part, g, **options)


def chunk_gated_delta_rule(q, k, v, g, beta, **options):
    """One decay for all keys."""
    assert g.shape == q.shape[:3]
    return chunk_kda(q, k, v, g[..., None].expand_as(k), beta, **options)


FUNCTIONS = {
    "gla": chunk_gla,
    "simple_gla": chunk_simple_gla,
    "kda": chunk_kda,
    "gated_delta_rule": chunk_gated_delta_rule,
    "generalized_delta_rule": chunk_dplr_delta_rule,
}
MODULES = {"fla": {}, "fla__ops": {}} | {
    f"fla__ops__{folder}": {function.__name__: function} for folder, function in FUNCTIONS.items()
}
