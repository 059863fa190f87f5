"""Remember the one value that was marked, among values of which any could have been.

    x_t = (v_t, marked_t, asked_t),   v_t = ±1,   target = whether v at the mark was +1

One of the first steps is marked, the question comes with the last step. Only at the mark can a
net learn that this value is to be kept; a gradient that is truncated later never gets there, and
what a net remembers of its first steps by chance is all values, not the marked one.
"""

from __future__ import annotations

from typing import Any

import torch

from ostinato.core.errors import ArgumentError
from ostinato.tasks.arguments import require_at_least
from ostinato.tasks.generated import GeneratedTask
from ostinato.tasks.task import Batch, Symbols, Values


class MarkedValueTask(GeneratedTask):
    """Say at the end whether the marked value was +1.

    Trivial score: an accuracy of 0.5.

    Args:
        steps: the length T of a sequence.
        first: the mark stands in one of the first so many steps.
        seed: what all batches derive from.
        held_out_sequences: the size of the held-out set.

    Raises:
        ArgumentError: unless first < steps.
    """

    name = "marked_value"
    per_step = False
    metric = "accuracy"
    higher_is_better = True

    def __init__(
        self, steps: int = 20, first: int = 5, seed: int = 0, held_out_sequences: int = 1000
    ) -> None:
        super().__init__(seed, held_out_sequences)
        require_at_least(1, first=first)
        if steps <= first:
            raise ArgumentError(f"steps must be more than first={first}; got {steps}.")
        self.steps, self.first = steps, first
        self.inputs, self.outputs = Values(3), Symbols(2)

    def draw(self, generator: torch.Generator, batch_size: int) -> Batch:
        """Inputs (B, T, 3), targets (B,)."""
        rows = torch.arange(batch_size)
        positive = torch.randint(2, (batch_size, self.steps), generator=generator)
        place = torch.randint(self.first, (batch_size,), generator=generator)
        inputs = torch.zeros(batch_size, self.steps, 3)
        inputs[..., 0] = 2.0 * positive - 1
        inputs[rows, place, 1] = 1
        inputs[:, -1, 2] = 1
        return Batch(inputs, positive[rows, place])

    def describe(self) -> dict[str, Any]:
        """The seed and what guessing scores."""
        return {"seed": self.seed, "guessing": {"accuracy": 0.5}}
