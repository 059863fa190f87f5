"""Decay inside a chunk, as decay.py has it: by halves key by key, by a table for all keys at once.

Γ stands in memory, in float64: the sums of a chunk may be large beside their differences. Halves
are masks instead of slices.
"""

# mypy: disable-error-code="no-untyped-def,untyped-decorator"
from __future__ import annotations

import triton
import triton.language as tl

from ostinato.engines.chunk.on_device.rows import block_of, put_block, rows_of


@triton.jit
def sums(
    g, gamma, g_batch, g_head, g_time, T, heads, chunks, n,
    gates: tl.constexpr, C: tl.constexpr, G: tl.constexpr,
):  # fmt: skip
    """Γ (B·H, M, C, gates) of the rows of a chunk, from its beginning."""
    chunk, i = tl.program_id(0).to(tl.int64), tl.arange(0, C)
    row, at = chunk // chunks, (chunk % chunks) * C + i
    gate = tl.program_id(1) * G + tl.arange(0, G)
    begins = (at % n == 0) & (at < T * n)
    g += (row // heads) * g_batch + (row % heads) * g_head
    own = rows_of(g, g_time, at // n, begins, gate, gates).to(tl.float64)
    # e to the bound is zero in float64, and −∞ makes no NaN.
    own = tl.cumsum(tl.maximum(own, -800.0), 0)
    put_block(gamma + chunk * C * gates, i, gate, gates, own)


@triton.jit
def ends(gamma, i, key, keys, like, BY_KEY: tl.constexpr, GATED: tl.constexpr, C: tl.constexpr):
    """e^Γ and e^{Γ_C − Γ} (C, K or 1)."""
    if BY_KEY:
        own = block_of(gamma, i, key, keys)
        total = block_of(gamma, C - 1 + 0 * i, key, keys)
    elif GATED:
        own, total = tl.load(gamma + i)[:, None], tl.load(gamma + C - 1 + 0 * i)[:, None]
    else:
        own = tl.zeros((C, 1), tl.float64)
        total = own
    return tl.exp(own.to(like)), tl.exp((total - own).to(like))


@triton.jit
def whole(gamma, key, keys, like, BY_KEY: tl.constexpr, GATED: tl.constexpr, C: tl.constexpr):
    """e^{Γ_C} (K,)."""
    if BY_KEY:
        total = tl.load(gamma + (C - 1) * keys + key, mask=key < keys, other=0.0)
    elif GATED:
        total = tl.load(gamma + C - 1 + 0 * key)
    else:
        total = (0 * key).to(tl.float64)
    return tl.exp(total.to(like))


@triton.jit
def table(gamma, i, like, GATED: tl.constexpr):
    """e^{Γ_i − Γ_j} (C, C), zero where j > i."""
    known = i[:, None] >= i[None, :]
    found = tl.where(known, 1.0, 0.0).to(like)
    if GATED:
        own = tl.load(gamma + i)
        difference = tl.where(known, own[:, None] - own[None, :], 0.0)
        found = tl.where(known, tl.exp(difference.to(like)), 0.0)
    return found


@triton.jit
def halves(gamma, half, i, key, keys, like):
    """Decay since the middle in second halves, and until it in first ones; else zero."""
    middle = (i // (2 * half)) * 2 * half + half - 1
    own = block_of(gamma, i, key, keys)
    passed = own - block_of(gamma, middle, key, keys)
    second = ((i // half) % 2 == 1)[:, None]
    since = tl.where(second, tl.exp(tl.where(second, passed, 0.0).to(like)), 0.0)
    until = tl.where(second, 0.0, tl.exp(tl.where(second, 0.0, -passed).to(like)))
    return since, until


@triton.jit
def below(weights, half, i):
    """Weights between second halves and the first ones before them; else zero."""
    row, column = i[:, None] // half, i[None, :] // half
    return tl.where((row % 2 == 1) & (column == row - 1), weights, 0.0)


@triton.jit
def scores(
    x, y, gamma, i, key, keys,
    BY_KEY: tl.constexpr, GATED: tl.constexpr, C: tl.constexpr, PRECISION: tl.constexpr,
):  # fmt: skip
    """x_i · y_j e^{Γ_i − Γ_j} (C, C), zero where j > i."""
    if BY_KEY:
        found = tl.where(i[:, None] == i[None, :], tl.sum(x * y, 1)[:, None], 0.0)
        half = 1
        while half < C:
            since, until = halves(gamma, half, i, key, keys, x.dtype)
            part = tl.dot(x * since, tl.trans(y * until), input_precision=PRECISION)
            found += below(part, half, i)
            half *= 2
    else:
        found = tl.dot(x, tl.trans(y), input_precision=PRECISION) * table(gamma, i, x.dtype, GATED)
    return found


@triton.jit
def passed_on(
    weights, x, y, gamma, i, key, keys,
    BY_KEY: tl.constexpr, C: tl.constexpr, PRECISION: tl.constexpr,
):  # fmt: skip
    """Σ_j w_ij y_j e^{Γ_i − Γ_j} and Σ_i w_ij x_i e^{Γ_i − Γ_j}, the gradients of x and y.

    One decay for all keys is in the weights already.
    """
    if BY_KEY:
        own = tl.sum(tl.where(i[:, None] == i[None, :], weights, 0.0), 1)[:, None]
        rows, columns = own * y, own * x
        half = 1
        while half < C:
            since, until = halves(gamma, half, i, key, keys, x.dtype)
            part = below(weights, half, i)
            rows += tl.dot(part, y * until, input_precision=PRECISION) * since
            columns += tl.dot(tl.trans(part), x * since, input_precision=PRECISION) * until
            half *= 2
    else:
        rows = tl.dot(weights, y, input_precision=PRECISION)
        columns = tl.dot(tl.trans(weights), x, input_precision=PRECISION)
    return rows, columns
