"""From chunk to chunk; one program for some columns of a matrix, which it keeps in registers."""

# mypy: disable-error-code="no-untyped-def,untyped-decorator"
from __future__ import annotations

import triton
import triton.language as tl

from ostinato.engines.chunk.on_device.decayed import whole
from ostinato.engines.chunk.on_device.rows import (
    block_of,
    put_block,
    put_state,
    rows_of,
    state_of,
    steps,
)


@triton.jit
def states(
    first, last, starts, leaving, erased, written, gamma, chunks,
    keys: tl.constexpr, values: tl.constexpr,
    GATED: tl.constexpr, BY_KEY: tl.constexpr, ERASES: tl.constexpr,
    C: tl.constexpr, K: tl.constexpr, V: tl.constexpr, PRECISION: tl.constexpr,
):  # fmt: skip
    """The first state of every chunk and the last one; `written` becomes N."""
    row, i, key = tl.program_id(0).to(tl.int64), tl.arange(0, C), tl.arange(0, K)
    value = tl.program_id(1) * V + tl.arange(0, V)
    s = state_of(first + row * keys * values, key, keys, value, values)
    for m in steps(chunks):
        chunk = row * chunks + m
        put_state(starts + chunk * keys * values, key, keys, value, values, s)
        new = block_of(written + chunk * C * values, i, value, values)
        if ERASES:
            a = block_of(erased + chunk * C * keys, i, key, keys)
            new -= tl.dot(a, s, input_precision=PRECISION)
            put_block(written + chunk * C * values, i, value, values, new)
        kk = block_of(leaving + chunk * C * keys, i, key, keys)
        gates = gamma + chunk * C * (keys if BY_KEY else 1)
        s *= whole(gates, key, keys, s.dtype, BY_KEY, GATED, C)[:, None]
        s += tl.dot(tl.trans(kk), new, input_precision=PRECISION)
    put_state(last + row * keys * values, key, keys, value, values, s)


@triton.jit
def states_back(
    o, grad_last, grad_first, after, read, inverse, entering, leaving, erased, grad_new, gamma,
    o_batch, o_head, o_time, T, heads, chunks, n,
    keys: tl.constexpr, values: tl.constexpr,
    GATED: tl.constexpr, BY_KEY: tl.constexpr, ERASES: tl.constexpr,
    C: tl.constexpr, K: tl.constexpr, V: tl.constexpr, PRECISION: tl.constexpr,
):  # fmt: skip
    """The gradients of the states after each chunk and of (I + A) N; `o` is the gradient of o."""
    row, i, key = tl.program_id(0).to(tl.int64), tl.arange(0, C), tl.arange(0, K)
    value = tl.program_id(1) * V + tl.arange(0, V)
    o += (row // heads) * o_batch + (row % heads) * o_head
    ds = state_of(grad_last + row * keys * values, key, keys, value, values)
    for back in steps(chunks):
        m = chunks - 1 - back
        chunk, at = row * chunks + m, m * C + i
        put_state(after + chunk * keys * values, key, keys, value, values, ds)
        reads = (at < T * n) & (at % n == n - 1)
        do = rows_of(o, o_time, at // n, reads, value, values)
        weights = block_of(read + chunk * C * C, i, i, C)
        y = tl.dot(tl.trans(weights), do, input_precision=PRECISION)
        kk = block_of(leaving + chunk * C * keys, i, key, keys)
        y += tl.dot(kk, ds, input_precision=PRECISION)
        qq = block_of(entering + chunk * C * keys, i, key, keys)
        gates = gamma + chunk * C * (keys if BY_KEY else 1)
        ds *= whole(gates, key, keys, ds.dtype, BY_KEY, GATED, C)[:, None]
        ds += tl.dot(tl.trans(qq), do, input_precision=PRECISION)
        if ERASES:
            a = block_of(erased + chunk * C * keys, i, key, keys)
            ds -= tl.dot(tl.trans(a), y, input_precision=PRECISION)
            solved = block_of(inverse + chunk * C * C, i, i, C)
            y = tl.dot(tl.trans(solved), y, input_precision=PRECISION)
        put_block(grad_new + chunk * C * values, i, value, values, y)
    put_state(grad_first + row * keys * values, key, keys, value, values, ds)
