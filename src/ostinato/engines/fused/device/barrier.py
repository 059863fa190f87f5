"""What programs that run side by side do together: wait for one another, and read each other.

A barrier is a counter in memory that only grows: a program adds one to it, and goes on when it
reaches the number of programs times the number of barriers.
"""

# mypy: disable-error-code="no-untyped-def,untyped-decorator"
from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def meet(counter, target):
    """Wait until all programs are here, and see what they wrote.

    Args:
        counter: pointer to the number of arrivals.
        target: how many there are when all are here.
    """
    # All threads have written before one of them says so.
    tl.debug_barrier()
    tl.atomic_add(counter, 1, sem="release", scope="gpu")
    # To add nothing is to look, and orders what is read from here on, which a plain load does not.
    while tl.atomic_add(counter, 0, sem="acquire", scope="gpu") < target:
        pass
    tl.debug_barrier()


@triton.jit
def slab(matrix, j, first, along: tl.constexpr, across: tl.constexpr, K: tl.constexpr,
         N: tl.constexpr, STEP: tl.constexpr):  # fmt: skip
    """Some rows of a matrix, and the columns of this program (STEP, U).

    Args:
        matrix: pointer to the first element.
        j: (1, U), numbers of columns.
        first: row.
        along: distance of elements of the matrix that are summed over.
        across: distance of its columns.
        K: rows that there are.
        N: columns that there are.
        STEP: rows, a power of two.
    """
    k = first + tl.arange(0, STEP)[:, None]
    return tl.load(matrix + k * along + j * across, mask=(k < K) & (j < N), other=0)


@triton.jit
def gathered(x, live, first, K: tl.constexpr, STEP: tl.constexpr):
    """Some columns of what all programs have written (R, STEP).

    Args:
        x: pointers (R, 1) to the first of K elements that follow one another.
        live: (R, 1), which rows there are.
        first: column.
        K: columns that there are.
        STEP: columns, a power of two.
    """
    k = first + tl.arange(0, STEP)[None, :]
    # The first cache does not hear of what other processors write.
    return tl.load(x + k, mask=live & (k < K), other=0, cache_modifier=".cg")
