"""N-delayed match to sample: are the first and the last of n symbols equal? (arXiv 2309.12927)"""

from __future__ import annotations

from torch import Tensor

from ostinato.tasks.memory_span import MemorySpanTask


class MatchToSampleTask(MemorySpanTask):
    """Say whether the last symbol equals the one n−1 steps before; options of `MemorySpanTask`."""

    name = "match_to_sample"

    def answer(self, bits: Tensor, n: int) -> Tensor:
        """Whether x_{T−n+1} = x_T in bits (B, T) (B,)."""
        return bits[:, -n] == bits[:, -1]
