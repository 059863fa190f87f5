"""Which levels did a long noisy signal have at its beginning?

A signal of segments, each at a level of −1 or 1, whose first ones are asked for after the last
step. What is asked is slow beside a step, so that it can be heard at another rate too.
"""

from __future__ import annotations

from typing import Any

import torch

from ostinato.tasks.arguments import require_at_least
from ostinato.tasks.generated import GeneratedTask
from ostinato.tasks.task import Batch, Symbols, Values


class FirstSegmentsTask(GeneratedTask):
    """Name the levels of the first segments, as one of 2^asked classes.

    Trivial score: an accuracy of 2^−asked.

    Args:
        segments: how many there are.
        width: steps of each; T = segments · width.
        asked: how many of the first are asked for.
        noise: standard deviation of what is added to every step.
        seed: what all batches derive from.
        held_out_sequences: the size of each held-out set.
    """

    name = "first_segments"
    per_step = False
    metric = "accuracy"
    higher_is_better = True
    splits = ("valid", "test")

    def __init__(
        self,
        segments: int = 24,
        width: int = 16,
        asked: int = 4,
        noise: float = 0.5,
        seed: int = 0,
        held_out_sequences: int = 1000,
    ) -> None:
        super().__init__(seed, held_out_sequences)
        require_at_least(1, width=width, asked=asked)
        require_at_least(asked, segments=segments)
        self.segments, self.width, self.asked, self.noise = segments, width, asked, noise
        self.inputs, self.outputs = Values(1), Symbols(2**asked)

    def draw(self, generator: torch.Generator, batch_size: int) -> Batch:
        """Inputs (B, T, 1); targets (B,), whose lowest binary digit is the first segment."""
        high = torch.randint(2, (batch_size, self.segments), generator=generator)
        levels = (2.0 * high - 1).repeat_interleave(self.width, 1)
        noise = torch.randn(levels.shape, generator=generator)
        targets = (high[:, : self.asked] << torch.arange(self.asked)).sum(1)
        return Batch((levels + self.noise * noise)[..., None], targets)

    def describe(self) -> dict[str, Any]:
        """The seed and what guessing scores."""
        return {"seed": self.seed, "guessing": {"accuracy": 0.5**self.asked}}
