"""Checks of what `matrix_scan` is given: compiled code reads memory without asking again."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ostinato.core.errors import ArgumentError, ShapeError, nearest
from ostinato.engines.chunk.steps import Steps

READS = ("inclusive", "exclusive")


def check(steps: Steps, state: Tensor | None, borders: Any, size: Any, read: str) -> None:
    """Raise unless the arguments of `matrix_scan` fit together.

    Args:
        steps: of the recurrence; g may lack its last axis.
        state: before the first step, or None.
        borders: `cu_seqlens`.
        size: `chunk_size`.
        read: which state is read.

    Raises:
        ShapeError: if shapes, precisions or devices do not fit.
        ArgumentError: if `size` is no power of 2, or `read` is unknown.
    """
    _check_kinds({**steps._asdict(), "initial_state": state}, steps.q.device)
    _check_shapes(steps)
    if borders is not None:
        _check_borders(borders)
    if state is not None:
        rows = len(steps.q) if borders is None else len(borders) - 1
        _check_state(state, (rows, *steps.q.shape[2:], steps.v.shape[-1]))
    check_chunk_size(size)
    if read not in READS:
        raise ArgumentError(f"There is no read {read!r}. {nearest(str(read), READS)}")


def check_chunk_size(size: Any) -> None:
    """Raise unless it is a power of 2, or None.

    Raises:
        ArgumentError: naming what came.
    """
    if size is not None and not (type(size) is int and size > 0 and not size & (size - 1)):
        raise ArgumentError(f"chunk_size must be a power of 2; got {size!r}. Take 64.")


def _check_kinds(tensors: dict[str, Tensor | None], device: torch.device) -> None:
    for name, x in tensors.items():
        if x is not None and (not x.is_floating_point() or x.device != device):
            raise ShapeError(
                f"{name} must hold real numbers on the device of q, {device}; got {x.dtype} on "
                f"{x.device}. Convert it by {name}.to(...)."
            )


def _check_shapes(steps: Steps) -> None:
    q, k, v, g, erase, beta = steps
    if q.dim() != 4 or k.dim() != 4 or v.dim() != 4:
        shapes = ", ".join(str(list(each.shape)) for each in (q, k, v))
        raise ShapeError(f"q, k and v must be (B, T, H, K) and (B, T, H, V); got {shapes}.")
    batch, count, heads, keys = q.shape
    rows = (batch, count * (k.shape[1] // count if count else 1), heads)
    if tuple(k.shape) != (*rows, keys) or tuple(v.shape[:3]) != rows:
        raise ShapeError(
            f"With q {list(q.shape)}, k must be (B, T·n, H, K) and v (B, T·n, H, V); got "
            f"k {list(k.shape)} and v {list(v.shape)}."
        )
    if erase is not None and erase.shape != k.shape:
        raise ShapeError(f"erase must be like k {list(k.shape)}; got {list(erase.shape)}.")
    if beta is not None and tuple(beta.shape) != rows:
        raise ShapeError(f"beta must be {list(rows)}, one for each key; got {list(beta.shape)}.")
    one = (batch, count, heads)
    if g is not None and tuple(g.shape) not in (one, (*one, 1), (*one, keys)):
        raise ShapeError(
            f"g must be {list(one)}, or with the keys {[*one, keys]}; got {list(g.shape)}."
        )


def _check_borders(borders: Any) -> None:
    if not isinstance(borders, Tensor) or borders.is_floating_point() or borders.dim() != 1:
        raise ShapeError(
            f"cu_seqlens must be a tensor (N+1,) of integers, the borders 0, …, T; got {borders!r}."
        )


def _check_state(state: Tensor, shape: tuple[int, ...]) -> None:
    if tuple(state.shape) != shape:
        raise ShapeError(
            f"initial_state must be {list(shape)}, one matrix (K, V) for each head of each "
            f"sequence; got {list(state.shape)}."
        )
