"""How tensors lie in memory, as the compiled loop reads them.

A tensor (T, …, channels of a unit…) becomes rows of units: as many of the axes between as follow
one another without gaps in all tensors of a call are one axis of units, the others are rows.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from enum import IntEnum

import torch
from torch import Tensor


class Place(IntEnum):
    """How units lie: all at one place, channel by channel, unit by unit, or transposed so."""

    SAME = 0
    PLANES = 1
    PACKED = 2
    TRANSPOSED = 3


class Port(ctypes.Structure):
    """A tensor as the loop sees it; strides in elements."""

    _fields_ = (
        ("base", ctypes.c_void_p),
        ("time", ctypes.c_int64),
        ("rows", ctypes.c_void_p),
        ("unit", ctypes.c_int64),
        ("i", ctypes.c_int64),
        ("j", ctypes.c_int64),
    )


def place(tensor: Tensor, axes: int) -> Place | None:
    """Where the units of a tensor (T, …, U, *channels) lie, or None if nowhere of use.

    Args:
        tensor: the tensor.
        axes: how many axes the channels have: 0, 1 for vectors, 2 for matrices.
    """
    lead = tensor.dim() - axes
    unit = next((n for i, n in _nontrivial(tensor, lead)), 1)
    channels, size = tensor.stride()[lead:], tensor.shape[-1] if axes else 1
    if unit == 1:
        return Place.PLANES
    if unit == 0:
        return Place.SAME
    if axes and unit == size**axes and channels[-1] == 1 and channels[0] == size ** (axes - 1):
        return Place.PACKED
    if axes == 2 and unit == size**2 and channels == (1, size):
        return Place.TRANSPOSED
    return None


def _nontrivial(tensor: Tensor, lead: int) -> list[tuple[int, int]]:
    """Size and stride of the axes between time and channels, the last first; size 1 left out."""
    pairs = zip(tensor.shape[1:lead], tensor.stride()[1:lead], strict=True)
    return [(size, stride) for size, stride in pairs if size > 1][::-1]


class Rows:
    """The common rows and units of the tensors of one call.

    Args:
        lead: sizes of the axes between time and channels.
        strides: of these axes, for each tensor.
        masked: whether the first of them, the batch, has to be one of rows.
    """

    def __init__(self, lead: Sequence[int], strides: Sequence[Sequence[int]], masked: bool) -> None:
        kept = [i for i, size in enumerate(lead) if size != 1]
        alone = not kept or (masked and kept == [0])
        sizes = [lead[i] for i in kept] + [1] * alone
        steps = [[each[i] for i in kept] + [0] * alone for each in strides]
        while len(sizes) > 1 and all(each[-2] == each[-1] * sizes[-1] for each in steps):
            sizes[-2:] = [sizes[-2] * sizes[-1]]
            for each in steps:
                each[-2:] = each[-1:]
        self.units = sizes[-1]
        self.unit_strides = [each[-1] for each in steps]
        self.offsets = [_offsets(sizes[:-1], each[:-1]) for each in steps]
        self.count = self.offsets[0].numel()


def _offsets(sizes: Sequence[int], strides: Sequence[int]) -> Tensor:
    """Where each row begins."""
    found = torch.zeros(1, dtype=torch.int64)
    for size, stride in zip(sizes, strides, strict=True):
        found = (found[:, None] + torch.arange(size) * stride).flatten()
    return found


def port(tensor: Tensor, lead: int, unit: int, rows: Tensor, reverse: bool) -> Port:
    """A tensor (T, ...) from the step that is run first.

    Args:
        tensor: the tensor.
        lead: where the axes of the channels begin.
        unit: elements from one unit to the next.
        rows: where each row begins; the caller keeps it alive.
        reverse: whether the last step is run first.
    """
    time = tensor.stride(0)
    first = tensor.data_ptr()
    if reverse:
        first += (tensor.shape[0] - 1) * time * tensor.element_size()
        time = -time
    i, j = (*tensor.stride()[lead:], 0, 0)[:2]
    return Port(first, time, rows.data_ptr(), unit, i, j)
