"""What of a chunk depends on no state; one program for each chunk of each head.

The inverse is made of blocks on the diagonal that double in size, as in triangular.py.
"""

# mypy: disable-error-code="no-untyped-def,untyped-decorator"
from __future__ import annotations

import triton
import triton.language as tl

from ostinato.engines.chunk.on_device.decayed import ends, scores
from ostinato.engines.chunk.on_device.rows import parts, parts_of, put_block, rows_of


@triton.jit
def unit_inverse(a, i, C: tl.constexpr, PRECISION: tl.constexpr):
    """(I + A)⁻¹ of a strictly lower triangular A (C, C)."""
    found = tl.where(i[:, None] == i[None, :], 1.0, 0.0).to(a.dtype)
    half = 1
    # A loop, not written out: ten products at once would find no registers.
    while half < C:
        row, column = i[:, None] // half, i[None, :] // half
        lower = (row % 2 == 1) & (column == row - 1)
        step = tl.dot(tl.where(lower, a, 0.0), found, input_precision=PRECISION)
        found -= tl.dot(found, step, input_precision=PRECISION)
        half *= 2
    return found


@triton.jit
def blocks(
    q, k, v, erase, beta, gamma, weights, inverse, entering, leaving, erased, new,
    q_batch, q_head, q_time, k_batch, k_head, k_time, v_batch, v_head, v_time,
    erase_batch, erase_head, erase_time, beta_batch, beta_head, beta_time,
    T, heads, chunks, n, scale, keys: tl.constexpr, values: tl.constexpr,
    GATED: tl.constexpr, BY_KEY: tl.constexpr, ERASES: tl.constexpr, SCALED: tl.constexpr,
    NEW: tl.constexpr, C: tl.constexpr, K: tl.constexpr, V: tl.constexpr, PRECISION: tl.constexpr,
):  # fmt: skip
    """P, (I + A)⁻¹, e^Γ ⊙ q, e^{Γ_C − Γ} ⊙ k, (I + A)⁻¹ (e^Γ ⊙ a); with NEW (I + A)⁻¹ v."""
    chunk, i = tl.program_id(0).to(tl.int64), tl.arange(0, C)
    row, at = chunk // chunks, (chunk % chunks) * C + i
    b, h = row // heads, row % heads
    q, k = q + b * q_batch + h * q_head, k + b * k_batch + h * k_head
    v, erase = v + b * v_batch + h * v_head, erase + b * erase_batch + h * erase_head
    beta += b * beta_batch + h * beta_head
    gamma += chunk * C * (keys if BY_KEY else 1)
    here, reads = at < T * n, (at < T * n) & (at % n == n - 1)
    real = entering.dtype.element_ty
    part = parts_of(beta, beta_time, at, here, real, SCALED)
    reading, inner = tl.zeros((C, C), real), tl.zeros((C, C), real)
    for begin in parts(0, keys, K, num_stages=1):
        key = begin + tl.arange(0, K)
        enter, leave = ends(gamma, i, key, keys, real, BY_KEY, GATED, C)
        qq = rows_of(q, q_time, at // n, reads, key, keys) * scale
        kk = rows_of(k, k_time, at, here, key, keys)
        put_block(entering + chunk * C * keys, i, key, keys, qq * enter)
        put_block(leaving + chunk * C * keys, i, key, keys, kk * leave)
        reading += scores(qq, kk, gamma, i, key, keys, BY_KEY, GATED, C, PRECISION)
        if ERASES:
            a = rows_of(erase, erase_time, at, here, key, keys) * part[:, None]
            inner += scores(a, kk, gamma, i, key, keys, BY_KEY, GATED, C, PRECISION)
    put_block(weights + chunk * C * C, i, i, C, reading)
    if ERASES:
        inner = tl.where(i[:, None] > i[None, :], inner, 0.0)
        solved = unit_inverse(inner, i, C, PRECISION)
        put_block(inverse + chunk * C * C, i, i, C, solved)
        for begin in parts(0, keys, K, num_stages=1):
            key = begin + tl.arange(0, K)
            enter, _ = ends(gamma, i, key, keys, real, BY_KEY, GATED, C)
            a = rows_of(erase, erase_time, at, here, key, keys) * part[:, None]
            a = tl.dot(solved, a * enter, input_precision=PRECISION)
            put_block(erased + chunk * C * keys, i, key, keys, a)
    if NEW:
        for begin in parts(0, values, V, num_stages=1):
            value = begin + tl.arange(0, V)
            vv = rows_of(v, v_time, at, here, value, values) * part[:, None]
            if ERASES:
                vv = tl.dot(solved, vv, input_precision=PRECISION)
            put_block(new + chunk * C * values, i, value, values, vv)
