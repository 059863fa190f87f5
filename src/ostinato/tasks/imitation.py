"""Behaviour cloning: do what an expert does, seeing less of the world than the expert.

A model is trained on recorded episodes, an open loop: what it answers changes nothing. What counts
is the closed loop, where its own actions lead to what it sees next; see `analysis.closed_loop`.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any

import torch
from torch import Generator, Tensor

from ostinato.tasks.arguments import require_at_least, require_one_of
from ostinato.tasks.environment import Environment
from ostinato.tasks.seeds import generator_at
from ostinato.tasks.split import epoch_rows
from ostinato.tasks.task import Batch, Task

_WARM_UP = 5


class ImitationTask(Task):
    """Say at every step what the expert does; the first five steps do not count.

    What cannot be seen at once, such as a velocity, has to be found over these first steps.

    Args:
        demonstrations: episodes to learn from; a fifth as many are held out.
        seed: what episodes and their order derive from.
    """

    metric = "squared error"
    higher_is_better = False
    horizon: int
    """The most steps of an episode in the closed loop."""

    def __init__(self, demonstrations: int, seed: int) -> None:
        require_at_least(5, demonstrations=demonstrations)
        self.demonstrations, self.seed = demonstrations, seed

    @abstractmethod
    def demonstrate(self, episodes: int, generator: Generator) -> tuple[Tensor, Tensor]:
        """Observations (N, T, D) and the expert's actions (N, T, A)."""

    @abstractmethod
    def environments(self) -> Mapping[str, Environment]:
        """Where a policy can be tested, by name: first as in training, then shifted."""

    def batch(self, step: int, batch_size: int) -> Batch:
        """The next episodes of the epoch."""
        require_at_least(1, batch_size=batch_size)
        seen, done = self._episodes["train"]
        rows = epoch_rows(len(seen), step, batch_size, self.seed)
        return _batch(seen[rows], done[rows])

    def held_out(self, split: str, batch_size: int) -> Iterator[Batch]:
        """Further episodes of the expert, in a fixed order."""
        require_one_of(self.splits, split=split)
        require_at_least(1, batch_size=batch_size)
        seen, done = self._episodes[split]
        for row in range(0, len(seen), batch_size):
            yield _batch(seen[row : row + batch_size], done[row : row + batch_size])

    def describe(self) -> dict[str, Any]:
        """The seed, and what always answering the mean action scores."""
        seen, done = self._episodes["valid"]
        mean = {"squared_error": float(done.var(correction=0))}
        return {"seed": self.seed, "held_out_episodes": len(seen), "mean_action": mean}

    @cached_property
    def _episodes(self) -> dict[str, tuple[Tensor, Tensor]]:
        sizes = {"train": self.demonstrations, "valid": self.demonstrations // 5}
        return {
            split: self.demonstrate(size, generator_at(self.seed, split))
            for split, size in sizes.items()
        }


def _batch(seen: Tensor, done: Tensor) -> Batch:
    weights = torch.ones(seen.shape[:2])
    weights[:, :_WARM_UP] = 0
    return Batch(seen, done, weights=weights)
