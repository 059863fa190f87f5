"""Tasks whose sequences are drawn from a seed: no data, and never the same batch twice."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator

import torch

from ostinato.tasks.arguments import require_at_least, require_one_of
from ostinato.tasks.seeds import generator_at
from ostinato.tasks.task import Batch, Task

_BLOCK = 250


class GeneratedTask(Task):
    """A task that draws its batches.

    Args:
        seed: what all batches derive from.
        held_out_sequences: the size of the held-out set, which no training batch repeats except
            by chance, and which does not depend on the batch size.
    """

    def __init__(self, seed: int, held_out_sequences: int) -> None:
        require_at_least(1, held_out_sequences=held_out_sequences)
        self.seed, self.held_out_sequences = seed, held_out_sequences

    @abstractmethod
    def draw(self, generator: torch.Generator, batch_size: int) -> Batch:
        """Draw a training batch."""

    def draw_held_out(self, generator: torch.Generator, batch_size: int) -> Batch:
        """Draw a held-out batch: as in training, unless the task says otherwise."""
        return self.draw(generator, batch_size)

    def batch(self, step: int, batch_size: int) -> Batch:
        """The training batch that `(seed, step)` gives."""
        require_at_least(1, batch_size=batch_size)
        return self.draw(generator_at(self.seed, "train", step), batch_size)

    def held_out(self, split: str, batch_size: int) -> Iterator[Batch]:
        """The held-out sequences, drawn in blocks of 250 and handed out `batch_size` at a time."""
        require_one_of(self.splits, split=split)
        require_at_least(1, batch_size=batch_size)
        for begin in range(0, self.held_out_sequences, _BLOCK):
            size = min(_BLOCK, self.held_out_sequences - begin)
            block = self.draw_held_out(generator_at(self.seed, split, begin), size)
            for row in range(0, size, batch_size):
                yield block.rows(row, row + batch_size)
