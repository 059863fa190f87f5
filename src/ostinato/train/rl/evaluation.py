"""What whole episodes bring a policy, and how sure that is.

As many episodes of every environment are counted. To take the first N that end, wherever they
do, would prefer short ones.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ostinato.core.errors import ArgumentError
from ostinato.tasks.arguments import require_at_least
from ostinato.tasks.rl.vector_environment import VectorEnvironment
from ostinato.train.rl.acting import Acting, Play
from ostinato.train.rl.bootstrap import Interval, bootstrap_interval


@dataclass(frozen=True)
class Evaluation:
    """Episodes that were played to their end.

    Attributes:
        returns: (E, N) undiscounted sums of rewards, of N episodes in each of E environments.
        lengths: (E, N) their steps.
    """

    returns: Tensor
    lengths: Tensor

    @property
    def mean(self) -> float:
        """The mean return."""
        return float(self.returns.mean())

    def interval(self, confidence: float = 0.95) -> Interval:
        """Where the mean lies over all episodes that there could have been."""
        return bootstrap_interval(self.returns.flatten(), confidence)

    def __str__(self) -> str:
        low, high = self.interval()
        return f"{self.mean:.4g} [{low:.4g}, {high:.4g}] in {self.returns.numel()} episodes"


def evaluate(
    acting: Acting, environment: VectorEnvironment, episodes: int = 100, seed: int = 0
) -> Evaluation:
    """Play whole episodes.

    For example::

        evaluation = evaluate(acting, make_environment("t_maze", 16), episodes=200)
        print(evaluation)                    # 3.9 [3.82, 3.97] in 208 episodes

    Args:
        acting: chooses the actions; greedy ones or drawn ones.
        environment: one of its own, not the one that is learned in: it is reset.
        episodes: how many at least; every environment plays the same number.
        seed: of the episodes.

    Raises:
        ArgumentError: if there are to be no episodes.
    """
    require_at_least(1, episodes=episodes)
    each = math.ceil(episodes / environment.number)
    ended: list[list[tuple[float, int]]] = [[] for _ in range(environment.number)]
    play = Play(acting, environment, seed)
    while min(map(len, ended)) < each:
        t = play.step()
        results = zip(t.returns.tolist(), t.lengths.tolist(), strict=True)
        for row, result in zip(t.over.nonzero()[:, 0].tolist(), results, strict=True):
            ended[row].append(result)
    counted = torch.tensor([row[:each] for row in ended], dtype=torch.double)
    return Evaluation(counted[..., 0], counted[..., 1].long())


def interval_over_seeds(evaluations: Sequence[Evaluation], confidence: float = 0.95) -> Interval:
    """Where the mean return lies over all training runs that there could have been.

    Args:
        evaluations: of runs from different seeds, with the same number of episodes each.
        confidence: as in `bootstrap_interval`.

    Raises:
        ArgumentError: if the numbers of episodes differ.
    """
    counts = sorted({each.returns.numel() for each in evaluations})
    if len(counts) != 1:
        raise ArgumentError(
            f"Runs are compared by the same number of episodes each; got {counts}. Evaluate them "
            "alike."
        )
    return bootstrap_interval(
        torch.stack([each.returns.flatten() for each in evaluations]), confidence
    )
