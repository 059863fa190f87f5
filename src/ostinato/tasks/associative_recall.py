"""Multi-query associative recall (MQAR): read pairs of key and value, then answer for each key.

    input   k_1 v_1 … k_P v_P   then noise, and among it every k_i once more
    target  v_i at the step where k_i is repeated

Source: Arora et al. 2023, "Zoology: Measuring and Improving Recall in Efficient Language
Models", arXiv 2312.04927; with two pairs and 128 symbols among the tasks of ParaRNN, arXiv
2510.21450. Deviation: a query may stand at every step after the pairs with equal probability,
and noise is drawn from the values, so that a key after the pairs is always a query.
"""

from __future__ import annotations

import math
from typing import Any

import torch

from ostinato.tasks.arguments import require_at_least
from ostinato.tasks.generated import GeneratedTask
from ostinato.tasks.task import Batch, Symbols


class AssociativeRecallTask(GeneratedTask):
    """Say the value of every key that is repeated; other steps have no weight.

    The lower half of the symbols are keys, all different in a row; the upper half are values.
    Trivial score: guessing one of the values that were read gives an accuracy of 1/pairs.

    Args:
        pairs: P, how many pairs are read.
        symbols: how many symbols there are, at least 2 · pairs.
        steps: the length T of a sequence, at least 3 · pairs.
        seed: what all batches derive from.
        held_out_sequences: the size of the held-out set.
    """

    name = "associative_recall"
    metric = "accuracy of recall"
    higher_is_better = True

    def __init__(
        self,
        pairs: int = 2,
        symbols: int = 128,
        steps: int = 100,
        seed: int = 0,
        held_out_sequences: int = 1000,
    ) -> None:
        super().__init__(seed, held_out_sequences)
        require_at_least(1, pairs=pairs)
        require_at_least(2 * pairs, symbols=symbols)
        require_at_least(3 * pairs, steps=steps)
        self.pairs, self.symbols, self.steps = pairs, symbols, steps
        self.inputs = self.outputs = Symbols(symbols)

    def draw(self, generator: torch.Generator, batch_size: int) -> Batch:
        """Inputs, targets and weights (B, T)."""
        half, read = self.symbols // 2, 2 * self.pairs
        noise = torch.randint(half, self.symbols, (batch_size, self.steps), generator=generator)
        keys = torch.rand(batch_size, half, generator=generator).argsort(1)[:, : self.pairs]
        values = torch.randint(half, self.symbols, keys.shape, generator=generator)
        free = torch.rand(batch_size, self.steps - read, generator=generator)
        queries = free.argsort(1)[:, : self.pairs] + read
        inputs = noise.scatter(1, queries, keys)
        inputs[:, 0:read:2], inputs[:, 1:read:2] = keys, values
        targets = torch.zeros_like(inputs).scatter(1, queries, values)
        weights = torch.zeros(inputs.shape).scatter(1, queries, 1.0)
        return Batch(inputs, targets, weights=weights)

    def describe(self) -> dict[str, Any]:
        """The seed and what guessing scores."""
        guessing = {"accuracy": 1 / self.pairs, "loss": math.log(self.pairs)}
        return {"seed": self.seed, "guessing": guessing}
