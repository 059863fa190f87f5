"""Tensors as kernels see them: lanes, whatever axes they have in memory."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from ostinato.engines.fused.emit import collapsed


class Lanes:
    """The lanes of the tensors (T, *lead, *channels) of one call.

    Args:
        lead: sizes of the axes of lanes, without time.
        tensors: by port; axes that are repeated have stride 0.
    """

    def __init__(self, lead: tuple[int, ...], tensors: dict[str, Tensor]) -> None:
        self.count, self._lead = math.prod(lead), len(lead)
        self._tensors = {port: _real(tensor) for port, tensor in tensors.items()}
        strides = [each.stride()[1 : 1 + len(lead)] for each in self._tensors.values()]
        self._sizes, found = collapsed(lead, strides)
        self._strides = dict(zip(tensors, found, strict=True))

    @property
    def axes(self) -> int:
        """How many axes are left of the lanes; those that follow one another are one."""
        return len(self._sizes)

    @property
    def sizes(self) -> dict[str, int]:
        """What a kernel is told of the lanes."""
        return {"lanes": self.count} | {f"n_{i}": n for i, n in enumerate(self._sizes) if i}

    def arguments(self, port: str, reverse: bool = False) -> dict[str, Any]:
        """What a kernel is told of a port, from the step that is run first."""
        tensor = self._tensors[port]
        time, channels = tensor.stride(0), tensor.stride()[1 + self._lead :]
        places = {f"lane_{i}": stride for i, stride in enumerate(self._strides[port])}
        places |= dict(zip(("row", "column"), channels, strict=False))
        return {
            port: tensor[-1] if reverse else tensor,
            f"{port}_time": -time if reverse else time,
            **{f"{port}_{place}": stride for place, stride in places.items()},
        }


def _real(tensor: Tensor) -> Tensor:
    """Numbers as they lie in memory; a conjugate view shows what it is made of."""
    if tensor.dtype == torch.bool:
        return tensor.view(torch.uint8)
    tensor = tensor.conj() if tensor.is_conj() else tensor
    return torch.view_as_real(tensor.resolve_neg()) if tensor.is_complex() else tensor
