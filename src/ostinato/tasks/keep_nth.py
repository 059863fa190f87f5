"""Keep the n-th symbol: say after a long sequence what stood at one fixed place near its begin.

In this form (n = 5, "keep-5th") among the synthetic tasks of Danieli et al. 2025, ParaRNN, arXiv
2510.21450. A model without a code of positions has to count to n, and then keep what it read.
"""

from __future__ import annotations

import math
from typing import Any

import torch

from ostinato.tasks.arguments import require_at_least
from ostinato.tasks.generated import GeneratedTask
from ostinato.tasks.task import Batch, Symbols

__papers__ = ("pararnn",)


class KeepNthTask(GeneratedTask):
    """Say, after the last step, what the n-th symbol was.

    Trivial score: guessing gives an accuracy of 1/symbols and a loss of ln(symbols).

    Args:
        n: which symbol is asked for, 1 the first.
        symbols: how many different symbols there are.
        steps: the length T of a sequence, at least n.
        seed: what all batches derive from.
        held_out_sequences: the size of the held-out set.
    """

    name = "keep_nth"
    per_step = False
    metric = "accuracy"
    higher_is_better = True

    def __init__(
        self,
        n: int = 5,
        symbols: int = 10,
        steps: int = 100,
        seed: int = 0,
        held_out_sequences: int = 1000,
    ) -> None:
        super().__init__(seed, held_out_sequences)
        require_at_least(1, n=n)
        require_at_least(2, symbols=symbols)
        require_at_least(n, steps=steps)
        self.n, self.symbols, self.steps = n, symbols, steps
        self.inputs = self.outputs = Symbols(symbols)

    def draw(self, generator: torch.Generator, batch_size: int) -> Batch:
        """Inputs (B, T), targets (B,)."""
        inputs = torch.randint(self.symbols, (batch_size, self.steps), generator=generator)
        return Batch(inputs, inputs[:, self.n - 1])

    def describe(self) -> dict[str, Any]:
        """The seed and what guessing scores."""
        guessing = {"accuracy": 1 / self.symbols, "loss": math.log(self.symbols)}
        return {"seed": self.seed, "guessing": guessing}
