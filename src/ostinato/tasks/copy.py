"""Copy memory: remember a few symbols over a long delay, then recall them in order.

S. Hochreiter, J. Schmidhuber, 1997; in this form M. Arjovsky, A. Shah, Y. Bengio, 2016,
arXiv 1511.06464:

    input   s_1 … s_L  ␣ × (delay − 1)  marker  ␣ × L
    target  ␣ × (L + delay)                     s_1 … s_L

With `shortest`, L is drawn for each row from shortest … length, as A. Graves, G. Wayne,
I. Danihelka, 2014, arXiv 1410.5401, train on lengths from 1 to 20. With a delay of 0 there is no
marker: the first blank asks for the first symbol. So, with two symbols and a loss over the recall
alone, K. Irie, A. Gopalakrishnan, J. Schmidhuber, 2024, arXiv 2305.19044, have it.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from ostinato.core.errors import ArgumentError
from ostinato.tasks.arguments import require_at_least
from ostinato.tasks.generated import GeneratedTask
from ostinato.tasks.task import Batch, Symbols


class CopyTask(GeneratedTask):
    """Recall symbols after a delay; 0 is the blank ␣, 1 … symbols the data, symbols+1 the marker.

    The loss is over all steps, as in the paper, unless `recall_only`; the accuracy is over the
    steps of recall, since blanks are easy. Trivial scores: an accuracy of 1/symbols, and a loss of
    length · ln(symbols) / (2 · length + delay) for a model that knows only when to recall, or
    ln(symbols) over the recall alone.

    Args:
        symbols: how many different symbols there are to remember.
        length: how many symbols are remembered, at most.
        delay: how many steps lie between the last of them and the first to recall; 0: no
            marker.
        shortest: how many are remembered at least; None: always `length`.
        recall_only: whether blanks do not count in the loss.
        seed: what all batches derive from.
        held_out_sequences: the size of the held-out set.
    """

    name = "copy"
    metric = "accuracy of recall"
    higher_is_better = True

    def __init__(
        self,
        symbols: int = 8,
        length: int = 10,
        delay: int = 100,
        shortest: int | None = None,
        recall_only: bool = False,
        seed: int = 0,
        held_out_sequences: int = 1000,
    ) -> None:
        super().__init__(seed, held_out_sequences)
        require_at_least(2, symbols=symbols)
        require_at_least(1, length=length)
        require_at_least(0, delay=delay)
        if shortest is not None and not 1 <= shortest <= length:
            raise ArgumentError(f"shortest must be from 1 to length={length}; got {shortest}.")
        self.symbols, self.length, self.delay, self.shortest = symbols, length, delay, shortest
        self.recall_only = recall_only
        self.inputs, self.outputs = Symbols(symbols + 2), Symbols(symbols + 1)

    def draw(self, generator: torch.Generator, batch_size: int) -> Batch:
        """Inputs and targets (B, 2·length + delay); `lengths` (B,) where rows differ."""
        data = torch.randint(1, self.symbols + 1, (batch_size, self.length), generator=generator)
        least = self.length if self.shortest is None else self.shortest
        kept = torch.randint(least, self.length + 1, (batch_size, 1), generator=generator)
        step = torch.arange(2 * self.length + self.delay).expand(batch_size, -1)
        inputs = self._laid(data, step, kept)
        if self.delay:
            inputs = inputs.masked_fill(step == kept + self.delay - 1, self.symbols + 1)
        targets = self._laid(data, step - kept - self.delay, kept)
        lengths = None if self.shortest is None else (2 * kept + self.delay).flatten()
        weights = (targets != 0).float() if self.recall_only else None
        return Batch(inputs, targets, lengths, weights=weights)

    def score(self, outputs: Tensor, batch: Batch) -> tuple[float, float]:
        """How many symbols were recalled, and how many there were; outputs (B, T, symbols+1)."""
        recall = batch.targets != 0
        right = outputs.argmax(-1) == batch.targets
        return float((right & recall).sum()), float(recall.sum())

    def describe(self) -> dict[str, Any]:
        """The seed and what guessing scores."""
        steps = self.length if self.recall_only else 2 * self.length + self.delay
        loss = self.length * math.log(self.symbols) / steps
        return {"seed": self.seed, "guessing": {"accuracy": 1 / self.symbols, "loss": loss}}

    @staticmethod
    def _laid(data: Tensor, place: Tensor, kept: Tensor) -> Tensor:
        """The data at places 0 … kept−1, blanks elsewhere (B, T)."""
        found = data.gather(1, place.clamp(0, data.shape[1] - 1))
        return found.masked_fill((place < 0) | (place >= kept), 0)
