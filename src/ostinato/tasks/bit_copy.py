"""Copying of bits: repeat a sequence of random bit vectors after its end.

A. Graves, G. Wayne, I. Danihelka: Neural Turing Machines, 2014, arXiv 1410.5401, section 4.1:

    input   v_1 … v_L  end  0 × L          a channel of its own says "end"
    target  ? × (L + 1)     v_1 … v_L

L is drawn for each row. What is held out is longer than what is trained on, so the score says
whether copying was learned or sequences of the trained lengths.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from ostinato.core.errors import ArgumentError
from ostinato.tasks.arguments import require_at_least
from ostinato.tasks.generated import GeneratedTask
from ostinato.tasks.task import Batch, Values


class BitCopyTask(GeneratedTask):
    """Repeat bit vectors; outputs are logits of the bits.

    Trivial score: guessing gets half of the bits wrong.

    Args:
        bits: of a vector.
        longest: L in training is from 1 to this.
        held_out_length: L of the held-out sequences; None: `longest`.
        seed: what all batches derive from.
        held_out_sequences: the size of the held-out set.
    """

    name = "bit_copy"
    metric = "bit error"
    higher_is_better = False

    def __init__(
        self,
        bits: int = 8,
        longest: int = 20,
        held_out_length: int | None = None,
        seed: int = 0,
        held_out_sequences: int = 250,
    ) -> None:
        super().__init__(seed, held_out_sequences)
        require_at_least(1, bits=bits, longest=longest)
        if held_out_length is not None and held_out_length < 1:
            raise ArgumentError(f"held_out_length must be at least 1; got {held_out_length}.")
        self.bits, self.longest, self.held_out_length = bits, longest, held_out_length
        self.inputs, self.outputs = Values(bits + 1), Values(bits)

    def draw(self, generator: torch.Generator, batch_size: int) -> Batch:
        """Inputs (B, 2·longest + 1, bits + 1), targets (B, 2·longest + 1, bits)."""
        count = torch.randint(1, self.longest + 1, (batch_size,), generator=generator)
        return self._laid(generator, count, self.longest)

    def draw_held_out(self, generator: torch.Generator, batch_size: int) -> Batch:
        """As in training, all of the held-out length."""
        length = self.held_out_length or self.longest
        return self._laid(generator, torch.full((batch_size,), length), length)

    def loss(self, outputs: Tensor, batch: Batch) -> Tensor:
        """Mean binary cross-entropy in nats per bit to recall."""
        each = F.binary_cross_entropy_with_logits(outputs, batch.targets, reduction="none")
        weights = batch.target_weights(True)
        return (each.mean(-1) * weights).sum() / weights.sum()

    def score(self, outputs: Tensor, batch: Batch) -> tuple[float, float]:
        """How many bits are wrong, and how many there are to recall."""
        wrong = ((outputs > 0) != (batch.targets > 0.5)).sum(-1)
        weights = batch.target_weights(True)
        return float((wrong * weights).sum()), float(weights.sum() * self.bits)

    def describe(self) -> dict[str, Any]:
        """The seed, the lengths and what guessing scores."""
        lengths = {"longest": self.longest, "held_out_length": self.held_out_length}
        return {"seed": self.seed, **lengths, "guessing": {"bit error": 0.5}}

    def _laid(self, generator: torch.Generator, count: Tensor, longest: int) -> Batch:
        shape = (len(count), longest, self.bits)
        vectors = torch.randint(2, shape, generator=generator).float()
        step, count = torch.arange(2 * longest + 1), count[:, None]
        inputs = F.pad(vectors, (0, 1, 0, longest + 1)) * (step < count)[..., None]
        inputs[..., -1] = (step == count).float()
        recall = (step > count) & (step <= 2 * count)
        place = (step - count - 1).clamp(0, longest - 1)[..., None].expand(-1, -1, self.bits)
        targets = vectors.gather(1, place) * recall[..., None]
        return Batch(inputs, targets, (2 * count + 1).flatten(), weights=recall.float())
