"""Rows of a chunk: where they stand in the operands, and blocks of them."""

# mypy: disable-error-code="no-untyped-def,untyped-decorator"
from __future__ import annotations

import triton
import triton.language as tl

if triton.knobs.runtime.interpret:
    from ostinato.engines.fused.device import interpreted

    parts, steps = interpreted.chunks, interpreted.steps
else:
    parts = steps = tl.range


@triton.jit
def rows_of(base, stride, row, there, column, size):
    """Rows (C, size) of an operand, filled up with zeros."""
    mask = there[:, None] & (column < size)[None, :]
    return tl.load(base + row[:, None] * stride + column[None, :], mask=mask, other=0.0)


@triton.jit
def put_rows(base, stride, row, there, column, size, x):
    """The inverse of `rows_of`."""
    mask = there[:, None] & (column < size)[None, :]
    tl.store(base + row[:, None] * stride + column[None, :], x, mask=mask)


@triton.jit
def block_of(base, i, column, size):
    """All rows (C, size) of a block without gaps."""
    return tl.load(
        base + i[:, None] * size + column[None, :], mask=(column < size)[None, :], other=0.0
    )


@triton.jit
def put_block(base, i, column, size, x):
    """The inverse of `block_of`."""
    tl.store(base + i[:, None] * size + column[None, :], x, mask=(column < size)[None, :])


@triton.jit
def state_of(base, key, keys, value, values):
    """A part of a matrix (keys, values)."""
    there = (key < keys)[:, None] & (value < values)[None, :]
    return tl.load(base + key[:, None] * values + value[None, :], mask=there, other=0.0)


@triton.jit
def put_state(base, key, keys, value, values, x):
    """The inverse of `state_of`."""
    there = (key < keys)[:, None] & (value < values)[None, :]
    tl.store(base + key[:, None] * values + value[None, :], x, mask=there)


@triton.jit
def parts_of(beta, stride, at, here, like, SCALED: tl.constexpr):
    """β of the rows, 1 where there is none."""
    part = tl.full(at.shape, 1.0, like)
    if SCALED:
        part = tl.load(beta + at * stride, mask=here, other=0.0)
    return part
