"""Repeat every input symbol some steps later: memory of a fixed span, at every step.

The task on which J. L. Ba, J. R. Kiros, G. E. Hinton: Layer Normalization, 2016, arXiv 1607.06450,
is reproduced small: with symbols x_t drawn uniformly from 8 classes, y_t = x_{t−delay}. The first
`delay` steps have nothing to repeat; their weight is 0.
"""

from __future__ import annotations

import math
from typing import Any

import torch

from ostinato.tasks.arguments import require_at_least
from ostinato.tasks.generated import GeneratedTask
from ostinato.tasks.task import Batch, Symbols


class DelayCopyTask(GeneratedTask):
    """Repeat the symbol of `delay` steps ago.

    Trivial score: guessing gives an accuracy of 1/classes and a loss of ln(classes).

    Args:
        classes: how many symbols there are.
        delay: how many steps later each symbol is repeated.
        steps: the length T of a sequence.
        seed: what all batches derive from.
        held_out_sequences: the size of the held-out set.
    """

    name = "delay_copy"
    metric = "accuracy"
    higher_is_better = True

    def __init__(
        self,
        classes: int = 8,
        delay: int = 5,
        steps: int = 20,
        seed: int = 0,
        held_out_sequences: int = 1000,
    ) -> None:
        super().__init__(seed, held_out_sequences)
        require_at_least(2, classes=classes)
        require_at_least(0, delay=delay)
        require_at_least(delay + 1, steps=steps)
        self.classes, self.delay, self.steps = classes, delay, steps
        self.inputs = self.outputs = Symbols(classes)

    def draw(self, generator: torch.Generator, batch_size: int) -> Batch:
        """Inputs, targets and weights (B, T)."""
        shape = (batch_size, self.steps)
        inputs = torch.randint(self.classes, shape, generator=generator)
        # What the roll brings round from the end lies in the first steps, where the weight is 0.
        targets = inputs.roll(self.delay, dims=1)
        weights = (torch.arange(self.steps) >= self.delay).float().repeat(batch_size, 1)
        return Batch(inputs, targets, weights=weights)

    def describe(self) -> dict[str, Any]:
        """The seed and what guessing scores."""
        return {
            "seed": self.seed,
            "guessing": {"accuracy": 1 / self.classes, "loss": math.log(self.classes)},
        }
