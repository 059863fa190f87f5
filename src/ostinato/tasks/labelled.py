"""Classification of whole sequences that lie in memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from torch import Tensor

from ostinato.tasks.arguments import require_at_least, require_one_of
from ostinato.tasks.split import epoch_rows
from ostinato.tasks.task import Batch, Symbols, Task, Values


class LabelledTask(Task):
    """Say to which class a sequence belongs, after its last step.

    Args:
        sequences: values (N, T, D) and labels (N,) of "train" and of every held-out split.
        classes: how many classes there are.
        seed: what the order of the training sequences derives from.
    """

    per_step = False
    metric = "accuracy"
    higher_is_better = True
    splits = ("valid", "test")

    def __init__(
        self, sequences: Mapping[str, tuple[Tensor, Tensor]], classes: int, seed: int
    ) -> None:
        self.seed = seed
        self.inputs = Values(sequences["train"][0].shape[-1])
        self.outputs = Symbols(classes)
        self._sequences = sequences

    def batch(self, step: int, batch_size: int) -> Batch:
        """The next rows of the epoch: inputs (B, T, D), targets (B,)."""
        require_at_least(1, batch_size=batch_size)
        inputs, labels = self._sequences["train"]
        rows = epoch_rows(len(labels), step, batch_size, self.seed)
        return Batch(inputs[rows], labels[rows])

    def held_out(self, split: str, batch_size: int) -> Iterator[Batch]:
        """The rows of a split in their order."""
        require_one_of(self.splits, split=split)
        require_at_least(1, batch_size=batch_size)
        inputs, labels = self._sequences[split]
        for row in range(0, len(labels), batch_size):
            yield Batch(inputs[row : row + batch_size], labels[row : row + batch_size])

    def sequences(self, split: str) -> tuple[Tensor, Tensor]:
        """All of "train" or a held-out split: values (N, T, D) and labels (N,)."""
        require_one_of(self._sequences, split=split)
        return self._sequences[split]

    def describe(self) -> dict[str, object]:
        """The size of every split, the seed, and what the commonest class scores."""
        facts: dict[str, object] = {"seed": self.seed}
        for split, (_, labels) in self._sequences.items():
            facts[f"{split}_sequences"] = len(labels)
            facts[f"{split}_commonest_class"] = int(labels.bincount().max()) / len(labels)
        return facts
