"""N-parity: is the number of ones among the last n symbols odd? (arXiv 2309.12927)"""

from __future__ import annotations

import torch
from torch import Tensor

from ostinato.tasks.memory_span import MemorySpanTask


class ParityTask(MemorySpanTask):
    """Say whether the last n symbols hold an odd number of ones; options of `MemorySpanTask`.

    In training every sequence has a frequency of ones of its own, uniform in [0, 1): sequences
    with few ones show the way to the others. The held-out sequences have as many ones as zeros,
    so that guessing scores 0.5.
    """

    name = "parity"

    def answer(self, bits: Tensor, n: int) -> Tensor:
        """Whether the last `n` of bits (B, T) hold an odd number of ones (B,)."""
        return bits[:, -n:].sum(1) % 2 == 1

    def draw_rate(self, generator: torch.Generator, batch_size: int) -> Tensor:
        """Uniform in [0, 1) (B, 1)."""
        return torch.rand(batch_size, 1, generator=generator)
