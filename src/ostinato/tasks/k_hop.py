"""k-hop induction: follow k times from a symbol to what came after its previous occurrence.

    find(i)    = j + 1 for the last j < i with x_j = x_i
    y_i        = x at find(find(… find(i)))     k times

One hop is the induction head. Source: Sanford, Hsu & Telgarsky 2024, "Transformers, parallel
computation, and logarithmic depth", arXiv 2402.09268; among the tasks of ParaRNN, arXiv
2510.21450, with k = 2 and 5 symbols, and k = 1 and 10 symbols.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from ostinato.tasks.arguments import require_at_least
from ostinato.tasks.generated import GeneratedTask
from ostinato.tasks.task import Batch, Symbols


class KHopTask(GeneratedTask):
    """Say at every step which symbol lies k hops back, or that there is none.

    The answer `symbols` means that one of the hops leads nowhere, as the first ones must. Trivial
    score: guessing one of the symbols gives an accuracy of about 1/symbols.

    Args:
        k: how many hops.
        symbols: how many different symbols there are.
        steps: the length T of a sequence.
        seed: what all batches derive from.
        held_out_sequences: the size of the held-out set.
    """

    name = "k_hop"
    metric = "accuracy"
    higher_is_better = True

    def __init__(
        self,
        k: int = 2,
        symbols: int = 5,
        steps: int = 100,
        seed: int = 0,
        held_out_sequences: int = 1000,
    ) -> None:
        super().__init__(seed, held_out_sequences)
        require_at_least(1, k=k, steps=steps)
        require_at_least(2, symbols=symbols)
        self.k, self.symbols, self.steps = k, symbols, steps
        self.inputs, self.outputs = Symbols(symbols), Symbols(symbols + 1)

    def draw(self, generator: torch.Generator, batch_size: int) -> Batch:
        """Inputs and targets (B, T)."""
        inputs = torch.randint(self.symbols, (batch_size, self.steps), generator=generator)
        return Batch(inputs, self.answers(inputs))

    def answers(self, inputs: Tensor) -> Tensor:
        """The targets of inputs (B, T)."""
        nowhere = inputs.shape[1]
        hop = F.pad(_hop(inputs), (0, 1), value=nowhere)
        place = torch.arange(nowhere).expand(len(inputs), -1)
        for _ in range(self.k):
            place = hop.gather(1, place)
        return F.pad(inputs, (0, 1), value=self.symbols).gather(1, place)

    def describe(self) -> dict[str, Any]:
        """The seed and what guessing scores."""
        guessing = {"accuracy": 1 / self.symbols, "loss": math.log(self.symbols)}
        return {"seed": self.seed, "guessing": guessing}


def _hop(symbols: Tensor) -> Tensor:
    """find(i) for every step of symbols (B, T); T where there is none."""
    steps = symbols.shape[1]
    earlier = torch.ones(steps, steps).tril(-1).bool()
    same = (symbols[:, :, None] == symbols[:, None, :]) & earlier
    found = torch.where(same, torch.arange(1, steps + 1), 0).amax(-1)
    return found.masked_fill(found == 0, steps)
