"""Operations that move elements, written out as slices and joins.

Along the rows nothing may move: there the operation stays what it is, and is refused where it
matters.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import Any

import torch
from torch import Tensor

from ostinato.compiler.rows import ROWS

aten = torch.ops.aten

# Elements that are taken one by one, along one axis.
_FEW = 32


def roll(x: Tensor, shifts: Sequence[int], dims: Sequence[int] = ()) -> Any:
    """The end of each axis goes to its front."""
    if not dims or any(_holds_rows(x, axis) for axis in dims):
        return NotImplemented
    for shift, axis in zip(shifts, dims, strict=True):
        size = x.shape[axis]
        if first := shift % size:
            x = torch.cat(
                [x.narrow(axis, size - first, first), x.narrow(axis, 0, size - first)], axis
            )
    return x


def flip(x: Tensor, dims: Sequence[int]) -> Any:
    """Short axes backwards."""
    if any(_holds_rows(x, axis) or x.shape[axis] > _FEW for axis in dims):
        return NotImplemented
    for axis in dims:
        x = torch.cat(torch.split(x, 1, axis)[::-1], axis)
    return x


def cumsum(x: Tensor, dim: int, *, dtype: torch.dtype | None = None) -> Any:
    """The sums of a short axis so far."""
    if dtype is not None or not x.dim() or _holds_rows(x, dim) or x.shape[dim] > _FEW:
        return NotImplemented
    return torch.cat(list(accumulate(torch.split(x, 1, dim))), dim)


def repeat(x: Tensor, repeats: Sequence[int]) -> Any:
    """Copies side by side."""
    lead = len(repeats) - x.dim()
    x = x.reshape(*(1,) * lead, *x.shape)
    for axis, times in enumerate(repeats):
        if times == 1:
            continue
        if _holds_rows(x, axis) or times < 1:
            return NotImplemented
        x = torch.cat([x] * times, axis)
    return x


def pad(x: Tensor, widths: Sequence[int], value: float = 0) -> Any:
    """A number before and behind; a negative width takes away."""
    for i, (before, behind) in enumerate(zip(widths[::2], widths[1::2], strict=True)):
        axis = x.dim() - 1 - i
        if before == behind == 0:
            continue
        if _holds_rows(x, axis) or not x.shape[axis]:
            return NotImplemented
        start, end = max(-before, 0), x.shape[axis] - max(-behind, 0)
        parts = [x.narrow(axis, start, end - start)]
        parts = [*_filled(x, axis, before, value), *parts, *_filled(x, axis, behind, value)]
        x = torch.cat(parts, axis)
    return x


def _filled(x: Tensor, axis: int, width: int, value: float) -> list[Tensor]:
    if width <= 0:
        return []
    shape = [*x.shape[:axis], width, *x.shape[axis + 1 :]]
    return [torch.full_like(x.narrow(axis, 0, 1).expand(shape), value)]


def _holds_rows(x: Tensor, axis: int) -> bool:
    return x.shape[axis] >= ROWS


RULES: dict[Any, Callable[..., Any]] = {
    aten.roll.default: roll,
    aten.flip.default: flip,
    aten.cumsum.default: cumsum,
    aten.repeat.default: repeat,
    aten.constant_pad_nd.default: pad,
}
