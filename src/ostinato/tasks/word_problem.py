"""The word problem of a group: what is the product of all elements so far?

    y_t = g_t ∘ y_{t−1},   y_0 = identity

Tracking a state in its purest form. How hard it is depends on the group: Z60 commutes, S3, S4 and
A4xZ5 are solvable, A5 and S5 are not, and for those the problem is complete for NC¹, beyond any
fixed number of layers of transformers and diagonal linear recurrences (Merrill, Petty & Sabharwal
2024, arXiv 2404.08819). Among the tasks of DeltaProduct (Siems et al. 2025, arXiv 2502.10297).
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from ostinato.engines.parallel.associative import associative_scan
from ostinato.tasks.arguments import require_at_least
from ostinato.tasks.generated import GeneratedTask
from ostinato.tasks.groups import group_table
from ostinato.tasks.task import Batch, Symbols


class WordProblemTask(GeneratedTask):
    """Say at every step which element of the group the product of the elements so far is.

    Trivial score: guessing one of the n elements has an accuracy of 1/n.

    Args:
        group: the name of the group, see `group_table`.
        steps: the length T of a training sequence.
        held_out_steps: that of a held-out one.
        seed: what all batches derive from.
        held_out_sequences: the size of the held-out set.
    """

    name = "word_problem"
    metric = "accuracy"
    higher_is_better = True

    def __init__(
        self,
        group: str = "S3",
        steps: int = 32,
        held_out_steps: int = 128,
        seed: int = 0,
        held_out_sequences: int = 500,
    ) -> None:
        super().__init__(seed, held_out_sequences)
        require_at_least(1, steps=steps, held_out_steps=held_out_steps)
        self.group, self.steps, self.held_out_steps = group, steps, held_out_steps
        self.table = group_table(group)
        self.inputs = self.outputs = Symbols(len(self.table))

    def draw(self, generator: torch.Generator, batch_size: int) -> Batch:
        """Inputs and targets (B, T)."""
        return self._draw(generator, batch_size, self.steps)

    def draw_held_out(self, generator: torch.Generator, batch_size: int) -> Batch:
        """As in training, with `held_out_steps`."""
        return self._draw(generator, batch_size, self.held_out_steps)

    def answers(self, inputs: Tensor) -> Tensor:
        """The running products of elements (B, T)."""
        products: Tensor = associative_scan(
            lambda before, after: self.table[after, before], inputs, dim=1
        )
        return products

    def describe(self) -> dict[str, Any]:
        """The group, the seed and what guessing scores."""
        order = len(self.table)
        guessing = {"accuracy": 1 / order, "loss": math.log(order)}
        return {"group": self.group, "order": order, "seed": self.seed, "guessing": guessing}

    def _draw(self, generator: torch.Generator, rows: int, steps: int) -> Batch:
        inputs = torch.randint(len(self.table), (rows, steps), generator=generator)
        return Batch(inputs, self.answers(inputs))
