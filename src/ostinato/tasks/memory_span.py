"""Questions about the last n symbols of a binary sequence, for one n or for all at once.

S. Khajehabdollahi, R. Zeraati, E. Giannakakis, T. J. Schäfer, G. Martius, A. Levina: Emergent
mechanisms for long timescales depend on training curriculum and affect performance in memory
tasks, 2024, arXiv 2309.12927. A head is one logit rather than two, of which only the difference
matters.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from ostinato.tasks.arguments import require_at_least
from ostinato.tasks.generated import GeneratedTask
from ostinato.tasks.task import Batch, Values

__papers__ = ("timescales",)


class MemorySpanTask(GeneratedTask):
    """Answer yes or no about the last n symbols, after the last step.

    A batch has T steps, T drawn from n+2 … 4n+1. Trivial score: an accuracy of 0.5.

    Args:
        n: how many symbols the (longest) question is about.
        heads: 1, one logit for n; or more, where head k answers for k+2 symbols and those up to n
            are trained together.
        shortest: with several heads, the number of symbols that the easiest question is about.
        signed: read −1 and 1 rather than 0 and 1, as the paper's GRU and LSTM do.
        seed: what all batches derive from.
        held_out_sequences: the size of the held-out set.
    """

    per_step = False
    metric = "accuracy"
    higher_is_better = True

    def __init__(
        self,
        n: int = 2,
        heads: int = 1,
        shortest: int = 2,
        signed: bool = False,
        seed: int = 0,
        held_out_sequences: int = 1000,
    ) -> None:
        super().__init__(seed, held_out_sequences)
        require_at_least(2, shortest=shortest)
        require_at_least(shortest, n=n)
        require_at_least(1 if heads == 1 else n - 1, heads=heads)
        self.n, self.heads, self.shortest, self.signed = n, heads, shortest, signed
        self.inputs, self.outputs = Values(1), Values(heads)

    @property
    def spans(self) -> tuple[int, ...]:
        """The numbers of symbols that the heads in use answer for."""
        return (self.n,) if self.heads == 1 else tuple(range(self.shortest, self.n + 1))

    @property
    def used(self) -> slice:
        """The heads in use."""
        return slice(1) if self.heads == 1 else slice(self.shortest - 2, self.n - 1)

    @abstractmethod
    def answer(self, bits: Tensor, n: int) -> Tensor:
        """The answers about the last `n` of bits (B, T): bool (B,)."""

    def draw_rate(self, generator: torch.Generator, batch_size: int) -> Tensor:
        """How frequent ones are in each training sequence (B, 1)."""
        return torch.full((batch_size, 1), 0.5)

    def draw(self, generator: torch.Generator, batch_size: int) -> Batch:
        """Inputs (B, T, 1); targets (B, heads), 0 or 1."""
        return self._draw(generator, self.draw_rate(generator, batch_size))

    def draw_held_out(self, generator: torch.Generator, batch_size: int) -> Batch:
        """As in training, but ones are always as frequent as zeros."""
        return self._draw(generator, torch.full((batch_size, 1), 0.5))

    def loss(self, outputs: Tensor, batch: Batch) -> Tensor:
        """Cross-entropy summed over the heads in use, in nats; outputs (B, heads)."""
        answers, asked = outputs[:, self.used], batch.targets[:, self.used]
        each = F.binary_cross_entropy_with_logits(answers, asked, reduction="none")
        return each.sum(1).mean()

    def right(self, outputs: Tensor, batch: Batch) -> Tensor:
        """Which answers of the heads in use are right: bool (B, spans)."""
        return (outputs[:, self.used] > 0) == (batch.targets[:, self.used] > 0.5)

    def score(self, outputs: Tensor, batch: Batch) -> tuple[float, float]:
        """Right answers of the heads in use, and answers."""
        right = self.right(outputs, batch)
        return float(right.sum()), float(right.numel())

    def describe(self) -> dict[str, Any]:
        """The seed and what guessing scores."""
        loss = len(self.spans) * math.log(2)
        return {"seed": self.seed, "guessing": {"accuracy": 0.5, "loss": loss}}

    def _draw(self, generator: torch.Generator, rate: Tensor) -> Batch:
        steps = self.n + 2 + int(torch.randint(3 * self.n, (), generator=generator))
        bits = torch.rand(len(rate), steps, generator=generator) < rate
        targets = torch.zeros(len(rate), self.heads)
        answers = [self.answer(bits, n).float() for n in self.spans]
        targets[:, self.used] = torch.stack(answers, 1)
        inputs = bits.float()[..., None]
        return Batch(2 * inputs - 1 if self.signed else inputs, targets)
