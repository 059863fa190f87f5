"""The adding problem: sum the two marked numbers of a long sequence.

S. Hochreiter, J. Schmidhuber: Long Short-Term Memory, Neural Computation 9, 1997; with values
uniform in [0, 1) and one mark in each half, as Q. V. Le, N. Jaitly, G. E. Hinton, 2015,
arXiv 1504.00941, and others do since (1997: values in [−1, 1], the sum rescaled, and random
lengths).
"""

from __future__ import annotations

from typing import Any

import torch

from ostinato.tasks.arguments import require_at_least
from ostinato.tasks.generated import GeneratedTask
from ostinato.tasks.task import Batch, Values


class AddingTask(GeneratedTask):
    """Give the sum of the two marked values after the last step.

    Trivial score: always answering 1, the mean, has a squared error of 2 · 1/12 = 0.1667.

    Args:
        steps: the length T of a sequence.
        seed: what all batches derive from.
        held_out_sequences: the size of the held-out set.
    """

    name = "adding"
    per_step = False
    metric = "mean squared error"
    higher_is_better = False

    def __init__(self, steps: int = 100, seed: int = 0, held_out_sequences: int = 1000) -> None:
        super().__init__(seed, held_out_sequences)
        require_at_least(2, steps=steps)
        self.steps = steps
        self.inputs, self.outputs = Values(2), Values(1)

    def draw(self, generator: torch.Generator, batch_size: int) -> Batch:
        """Inputs (B, T, 2): value and mark; targets (B, 1)."""
        half, rows = self.steps // 2, torch.arange(batch_size)
        values = torch.rand(batch_size, self.steps, generator=generator)
        first = torch.randint(half, (batch_size,), generator=generator)
        second = torch.randint(half, self.steps, (batch_size,), generator=generator)
        marks = torch.zeros_like(values)
        marks[rows, first] = marks[rows, second] = 1
        targets = (values * marks).sum(1, keepdim=True)
        return Batch(torch.stack([values, marks], dim=-1), targets)

    def describe(self) -> dict[str, Any]:
        """The seed and what the constant 1 scores."""
        return {"seed": self.seed, "constant": {"mean squared error": 1 / 6}}
