"""How fast a machine copies memory and multiplies matrices: no kernel can be much faster."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from ostinato.bench.measure import Work
from ostinato.bench.sweep.clock import median_ms, megahertz


@dataclass(frozen=True)
class Ceilings:
    """Two rates.

    Attributes:
        copy: bytes read and written per second by a large copy.
        matmul: operations per second of a large product; one of float32 in the precision that
            `torch.set_float32_matmul_precision` says.
        clock: MHz of the device's processors behind that product; None: not known.
    """

    copy: float
    matmul: float
    clock: float | None = None

    def floor(self, traffic: float, operations: float) -> float:
        """The seconds below which no pass can come that moves and computes so much."""
        return max(traffic / self.copy, operations / self.matmul)


def ceilings(device: str, numbers: int, side: int, dtype: str = "float32") -> Ceilings:
    """Measure both.

    Args:
        device: of which machine.
        numbers: how many are copied; more than caches hold.
        side: of the square matrices.
        dtype: of what is copied and multiplied, as torch names it.
    """
    where, kind = torch.device(device), getattr(torch, dtype)
    # Random numbers: products of zeros are faster than any real ones.
    source = torch.rand(numbers, device=where, dtype=kind)
    target = torch.empty_like(source)
    left, right = torch.rand(2, side, side, device=where, dtype=kind)
    copying = _seconds(lambda: target.copy_(source), where)
    multiplying = _seconds(lambda: left @ right, where)
    clock = megahertz(where)
    return Ceilings(2 * source.nbytes / copying, 2 * side**3 / multiplying, clock)


def _seconds(work: Work, device: torch.device) -> float:
    return median_ms(work, device, repeats=10, limit=5.0) / 1e3
