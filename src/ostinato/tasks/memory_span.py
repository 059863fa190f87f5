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


class MemorySpanTask(GeneratedTask):
    """Answer yes or no about the last n symbols, after the last step.

    A batch has T steps, T drawn from n+2 … 4n+1. Trivial score: an accuracy of 0.5.

    Args:
        n: how many symbols the (longest) question is about.
        heads: 1, one logit for n; or more, where head k answers for k+2 symbols and those up to n
            are trained together.
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
        signed: bool = False,
        seed: int = 0,
        held_out_sequences: int = 1000,
    ) -> None:
        super().__init__(seed, held_out_sequences)
        require_at_least(2, n=n)
        require_at_least(1 if heads == 1 else n - 1, heads=heads)
        self.n, self.heads, self.signed = n, heads, signed
        self.inputs, self.outputs = Values(1), Values(heads)

    @property
    def spans(self) -> tuple[int, ...]:
        """The numbers of symbols that the first heads answer for; the other heads are unused."""
        return (self.n,) if self.heads == 1 else tuple(range(2, self.n + 1))

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
        used = slice(len(self.spans))
        each = F.binary_cross_entropy_with_logits(
            outputs[:, used], batch.targets[:, used], reduction="none"
        )
        return each.sum(1).mean()

    def score(self, outputs: Tensor, batch: Batch) -> tuple[float, float]:
        """Right answers of the heads in use, and answers."""
        used = slice(len(self.spans))
        right = (outputs[:, used] > 0) == (batch.targets[:, used] > 0.5)
        return float(right.sum()), float(right.numel())

    def describe(self) -> dict[str, Any]:
        """The seed and what guessing scores."""
        loss = len(self.spans) * math.log(2)
        return {"seed": self.seed, "guessing": {"accuracy": 0.5, "loss": loss}}

    def _draw(self, generator: torch.Generator, rate: Tensor) -> Batch:
        steps = self.n + 2 + int(torch.randint(3 * self.n, (), generator=generator))
        bits = torch.rand(len(rate), steps, generator=generator) < rate
        targets = torch.zeros(len(rate), self.heads)
        for head, n in enumerate(self.spans):
            targets[:, head] = self.answer(bits, n).float()
        inputs = bits.float()[..., None]
        return Batch(2 * inputs - 1 if self.signed else inputs, targets)
