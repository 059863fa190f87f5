"""What is read of the states and of the rows before; one program for some columns of a chunk."""

# mypy: disable-error-code="no-untyped-def,untyped-decorator"
from __future__ import annotations

import triton
import triton.language as tl

from ostinato.engines.chunk.on_device.rows import block_of, parts, put_rows, state_of


@triton.jit
def outputs(
    o, starts, weights, entering, new, o_batch, o_head, o_time,
    T, heads, chunks, n, keys: tl.constexpr, values: tl.constexpr,
    C: tl.constexpr, K: tl.constexpr, V: tl.constexpr, PRECISION: tl.constexpr,
):  # fmt: skip
    """o = (e^Γ ⊙ q) S + P N, in the rows that read."""
    chunk, i = tl.program_id(0).to(tl.int64), tl.arange(0, C)
    row, at = chunk // chunks, (chunk % chunks) * C + i
    value = tl.program_id(1) * V + tl.arange(0, V)
    o += (row // heads) * o_batch + (row % heads) * o_head
    between = block_of(weights + chunk * C * C, i, i, C)
    rows = block_of(new + chunk * C * values, i, value, values)
    out = tl.dot(between, rows, input_precision=PRECISION)
    for begin in parts(0, keys, K, num_stages=1):
        key = begin + tl.arange(0, K)
        qq = block_of(entering + chunk * C * keys, i, key, keys)
        s = state_of(starts + chunk * keys * values, key, keys, value, values)
        out += tl.dot(qq, s, input_precision=PRECISION)
    put_rows(o, o_time, at // n, (at < T * n) & (at % n == n - 1), value, values, out)
