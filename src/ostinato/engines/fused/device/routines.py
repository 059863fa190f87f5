"""What generated kernels call: functions that Triton's language lacks, and products.

On a device they come from its mathematical library. Triton's interpreter, which runs kernels on
the CPU where there is no device, lacks that library: there NumPy stands in for it.
"""

# mypy: disable-error-code="no-untyped-def,untyped-decorator"
from __future__ import annotations

import triton
import triton.language as tl

INTERPRETED = triton.knobs.runtime.interpret

if INTERPRETED:
    from ostinato.engines.fused.device.interpreted import (
        chunks,
        expm1,
        largest,
        log1p,
        power,
        rounded,
        steps,
        tanh,
    )
else:
    from triton.language.extra import libdevice

    steps = chunks = tl.range
    tanh, expm1, log1p, power = libdevice.tanh, libdevice.expm1, libdevice.log1p, libdevice.pow

    @triton.jit
    def rounded(x, PRECISION: tl.constexpr):
        """In the type of factors."""
        if PRECISION == "bf16":
            x = x.to(tl.bfloat16)
        elif PRECISION == "fp16":
            x = x.to(tl.float16)
        return x

    @triton.jit
    def _larger(a, b):
        return tl.maximum(a, b, propagate_nan=tl.PropagateNan.ALL)

    @triton.jit
    def largest(x, axis: tl.constexpr):
        """The maximum along an axis, which stays; NaN if there is one."""
        return tl.reduce(x, axis, _larger, keep_dims=True)


@triton.jit
def sigmoid(x):
    """1 / (1 + exp(−x))."""
    return 1 / (1 + tl.exp(-x))


@triton.jit
def sign(x):
    """−1, 0 or 1; 0 of NaN, as in torch."""
    return (x > 0).to(x.dtype) - (x < 0).to(x.dtype)


@triton.jit
def maximum(a, b):
    """The larger one; NaN if one is."""
    return tl.maximum(a, b, propagate_nan=tl.PropagateNan.ALL)


@triton.jit
def minimum(a, b):
    """The smaller one; NaN if one is."""
    return tl.minimum(a, b, propagate_nan=tl.PropagateNan.ALL)


@triton.jit
def total(x, axis: tl.constexpr):
    """The sum along an axis, which stays."""
    return tl.sum(x, axis=axis, keep_dims=True)


@triton.jit
def multiply(left, right, PRECISION: tl.constexpr):
    """A product on chip, summed in the type of its left factor."""
    return added(left, right, tl.zeros((left.shape[0], right.shape[1]), left.dtype), PRECISION)


@triton.jit
def added(left, right, result, PRECISION: tl.constexpr):
    """A product more; types of 16 bits are multiplied exactly, and summed in float32."""
    exact: tl.constexpr = "ieee" if PRECISION == "bf16" or PRECISION == "fp16" else PRECISION
    a, b = rounded(left, PRECISION), rounded(right, PRECISION)
    return tl.dot(a, b, result, input_precision=exact, out_dtype=result.dtype)


@triton.jit
def product(
    x,
    live,
    matrix,
    along: tl.constexpr,
    across: tl.constexpr,
    K: tl.constexpr,
    N: tl.constexpr,
    COLUMNS: tl.constexpr,
    STEP: tl.constexpr,
    PRECISION: tl.constexpr,
    STAGES: tl.constexpr,
):
    """Rows in memory times a matrix in memory, a few rows of the matrix at a time.

    Args:
        x: pointers (R, 1) to the first of K elements that follow one another.
        live: (R, 1), which rows there are.
        matrix: pointer to the first element.
        along: distance of elements of the matrix that are summed over.
        across: distance of its columns.
        K: length of the sum.
        N: columns.
        COLUMNS: N, or the power of two above it.
        STEP: of the sum at a time, a power of two from 16.
        PRECISION: of products.
        STAGES: parts of the sum that are read before their turn, and the one whose turn it is.
    """
    n = tl.arange(0, COLUMNS)[None, :]
    k = tl.arange(0, STEP)
    left = tl.load(x + k[None, :], mask=live & (k[None, :] < K), other=0)
    seen = (k[:, None] < K) & (n < N)
    right = tl.load(matrix + k[:, None] * along + n * across, mask=seen, other=0)
    result = multiply(left, right, PRECISION)
    for first in chunks(STEP, K, STEP, num_stages=STAGES):
        inner = first + k
        left = tl.load(x + inner[None, :], mask=live & (inner[None, :] < K), other=0)
        seen = (inner[:, None] < K) & (n < N)
        right = tl.load(matrix + inner[:, None] * along + n * across, mask=seen, other=0)
        result = added(left, right, result, PRECISION)
    return result
