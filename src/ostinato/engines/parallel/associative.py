"""A scan over any associative operation, in O(log T) calls of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from ostinato.core.errors import CellError
from ostinato.core.recurrence import count_steps
from ostinato.core.state import check_like, map_state
from ostinato.engines.parallel.log_depth import interleave

Op = Callable[[Any, Any], Any]
"""`(earlier, later) -> joined`, on trees whose leaves hold many steps along `dim`."""


def associative_scan(op: Op, elems: Any, dim: int = 0, reverse: bool = False) -> Any:
    """All prefixes of a sequence under an associative operation.

        y_0 = x_0,   y_t = op(y_{t−1}, x_t)

    The signature and meaning of `jax.lax.associative_scan`. It calls `op` 2·log₂ T times, each
    on many steps together, with 2·T steps in all; autograd goes through it, any number of times.

        sums = ost.associative_scan(torch.add, torch.ones(10))

    Args:
        op: `(earlier, later) -> joined`, associative, on trees like `elems`; it acts on each
            step along `dim` alone, and must return the structure, shapes and dtypes it gets.
        elems: tree of tensors with T steps along `dim`.
        dim: the axis of time.
        reverse: run from the last step to the first: y_t = op(y_{t+1}, x_t).

    Returns:
        A tree like `elems`.

    Raises:
        ShapeError: if the leaves differ in T, or `op` returns another tree than it gets.
        CellError: if `op` cannot be called.
    """
    if not callable(op):
        raise CellError(
            f"op must be callable as (earlier, later) -> joined; got {type(op).__name__}."
        )
    steps = count_steps(elems, dim)
    if reverse:
        elems = _flip(elems, dim)
    result = _scan(op, elems, dim, steps)
    return _flip(result, dim) if reverse else result


def _scan(op: Op, elems: Any, dim: int, steps: int) -> Any:
    if steps < 2:
        return elems
    left, right = _part(elems, dim, slice(0, steps - 1, 2)), _part(elems, dim, slice(1, steps, 2))
    pairs = op(left, right)
    check_like(pairs, right, "What op returns", "op must return a tree like its arguments.")
    odd = _scan(op, pairs, dim, steps // 2)
    even = _part(elems, dim, slice(0, 1))
    if steps > 2:
        before = _part(odd, dim, slice(0, (steps - 1) // 2))
        rest = op(before, _part(elems, dim, slice(2, steps, 2)))
        even = map_state(lambda a, b: torch.cat([a, b], dim), even, rest)
    return map_state(lambda a, b: interleave(a, b, dim % a.dim()), even, odd)


def _part(tree: Any, dim: int, steps: slice) -> Any:
    return map_state(lambda leaf: leaf[(*[slice(None)] * (dim % leaf.dim()), steps)], tree)


def _flip(tree: Any, dim: int) -> Any:
    return map_state(lambda leaf: leaf.flip(dim), tree)
