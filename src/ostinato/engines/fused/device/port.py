"""Tensors as kernels for devices see them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True)
class Port:
    """A tensor as a kernel sees it: from the first step, with distances of steps and rows."""

    tensor: Tensor
    time: int = 0
    row: int = 0

    def at(self, step: int, rows: int, size: int) -> Tensor:
        """The elements of all rows at one step (B, size)."""
        start = self.tensor.storage_offset() + step * self.time
        return torch.as_strided(self.tensor, (rows, size), (self.row, 1), start)


def arguments(ports: dict[str, Port]) -> dict[str, Any]:
    """What a kernel is given, by the names of its arguments."""
    given: dict[str, Any] = {}
    for name, port in ports.items():
        given |= {name: port.tensor, f"{name}_time": port.time, f"{name}_row": port.row}
    return given
