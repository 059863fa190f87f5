"""From chunk to chunk; one program for some columns of a matrix, which it keeps in registers.

The matrix stands there as slices (K/P, P, V) of P keys each: a product over all keys at once would
find no registers for its factors.
"""

# mypy: disable-error-code="no-untyped-def,untyped-decorator"
from __future__ import annotations

import triton
import triton.language as tl

from ostinato.engines.chunk.on_device.decayed import whole
from ostinato.engines.chunk.on_device.rows import block_of, put_block, rows_of, steps


@triton.jit
def keys_of(K: tl.constexpr, P: tl.constexpr):
    """The keys of slices (K/P, P)."""
    return tl.arange(0, K // P)[:, None] * P + tl.arange(0, P)[None, :]


@triton.jit
def matrix_of(base, key, keys, value, values):
    """Some columns of a matrix (K/P, P, V)."""
    there = (key < keys)[:, :, None] & (value < values)[None, None, :]
    place = key[:, :, None] * values + value[None, None, :]
    return tl.load(base + place, mask=there, other=0.0)


@triton.jit
def put_matrix(base, key, keys, value, values, x):
    """The inverse of `matrix_of`."""
    there = (key < keys)[:, :, None] & (value < values)[None, None, :]
    tl.store(base + key[:, :, None] * values + value[None, None, :], x, mask=there)


@triton.jit
def read(base, i, key, keys, s, PRECISION: tl.constexpr):
    """A block (C, K) times a matrix."""
    place = i[None, :, None] * keys + key[:, None, :]
    rows = tl.load(base + place, mask=(key < keys)[:, None, :], other=0.0)
    return tl.sum(tl.dot(rows, s, input_precision=PRECISION), 0)


@triton.jit
def written(base, i, key, keys, new, PRECISION: tl.constexpr):
    """A block (C, K), turned, times rows (C, V)."""
    place = i[None, None, :] * keys + key[:, :, None]
    columns = tl.load(base + place, mask=(key < keys)[:, :, None], other=0.0)
    new = tl.broadcast_to(new[None, :, :], (key.shape[0], new.shape[0], new.shape[1]))
    return tl.dot(columns, new, input_precision=PRECISION)


@triton.jit
def states(
    first, last, starts, leaving, erased, new, gamma, chunks,
    keys: tl.constexpr, values: tl.constexpr,
    GATED: tl.constexpr, BY_KEY: tl.constexpr, ERASES: tl.constexpr,
    C: tl.constexpr, K: tl.constexpr, P: tl.constexpr, V: tl.constexpr,
    PRECISION: tl.constexpr,
):  # fmt: skip
    """The first state of every chunk and the last one; `new` becomes N."""
    row, i, key = tl.program_id(0).to(tl.int64), tl.arange(0, C), keys_of(K, P)
    value = tl.program_id(1) * V + tl.arange(0, V)
    s = matrix_of(first + row * keys * values, key, keys, value, values)
    for m in steps(chunks):
        chunk = row * chunks + m
        put_matrix(starts + chunk * keys * values, key, keys, value, values, s)
        rows = block_of(new + chunk * C * values, i, value, values)
        if ERASES:
            rows -= read(erased + chunk * C * keys, i, key, keys, s, PRECISION)
            put_block(new + chunk * C * values, i, value, values, rows)
        gates = gamma + chunk * C * (keys if BY_KEY else 1)
        s *= whole(gates, key, keys, s.dtype, BY_KEY, GATED, C)[:, :, None]
        s += written(leaving + chunk * C * keys, i, key, keys, rows, PRECISION)
    put_matrix(last + row * keys * values, key, keys, value, values, s)


@triton.jit
def states_back(
    o, grad_last, grad_first, after, weights, inverse, entering, leaving, erased, grad_new, gamma,
    o_batch, o_head, o_time, T, heads, chunks, n,
    keys: tl.constexpr, values: tl.constexpr,
    GATED: tl.constexpr, BY_KEY: tl.constexpr, ERASES: tl.constexpr,
    C: tl.constexpr, K: tl.constexpr, P: tl.constexpr, V: tl.constexpr,
    PRECISION: tl.constexpr,
):  # fmt: skip
    """The gradients of the states after each chunk and of (I + A) N; `o` is the gradient of o."""
    row, i, key = tl.program_id(0).to(tl.int64), tl.arange(0, C), keys_of(K, P)
    value = tl.program_id(1) * V + tl.arange(0, V)
    o += (row // heads) * o_batch + (row % heads) * o_head
    ds = matrix_of(grad_last + row * keys * values, key, keys, value, values)
    for back in steps(chunks):
        m = chunks - 1 - back
        chunk, at = row * chunks + m, (m * C + i).to(tl.int64)
        put_matrix(after + chunk * keys * values, key, keys, value, values, ds)
        reads = (at < T * n) & (at % n == n - 1)
        do = rows_of(o, o_time, at // n, reads, value, values)
        between = block_of(weights + chunk * C * C, i, i, C)
        y = tl.dot(tl.trans(between), do, input_precision=PRECISION)
        y += read(leaving + chunk * C * keys, i, key, keys, ds, PRECISION)
        gates = gamma + chunk * C * (keys if BY_KEY else 1)
        ds *= whole(gates, key, keys, ds.dtype, BY_KEY, GATED, C)[:, :, None]
        ds += written(entering + chunk * C * keys, i, key, keys, do, PRECISION)
        if ERASES:
            ds -= written(erased + chunk * C * keys, i, key, keys, y, PRECISION)
            solved = block_of(inverse + chunk * C * C, i, i, C)
            y = tl.dot(tl.trans(solved), y, input_precision=PRECISION)
        put_block(grad_new + chunk * C * values, i, value, values, y)
    put_matrix(grad_first + row * keys * values, key, keys, value, values, ds)
