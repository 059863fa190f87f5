"""What is seen and earned, in sizes that a net learns from.

Observations are made standard by the mean and deviation of all that were seen, rewards divided by
the deviation of discounted sums of them, Σ_k γ^k r_{t−k}, so that values are of size 1. Otherwise
large values leave the policy nothing of a gradient whose norm is bounded, and small observations
are lost in the layer. Means are merged segment by segment: T. F. Chan, G. H. Golub,
R. J. LeVeque 1983, "Algorithms for computing the sample variance", The American Statistician 37.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

_FARTHEST, _LEAST = 10.0, 1e-4


class Moments(nn.Module):
    """Mean and variance of all rows so far; 0 and 1 before the first.

    Args:
        size: numbers of a row.
    """

    count: Tensor
    mean: Tensor
    variance: Tensor

    def __init__(self, size: int) -> None:
        super().__init__()
        self.register_buffer("count", torch.zeros((), dtype=torch.double))
        self.register_buffer("mean", torch.zeros(size, dtype=torch.double))
        self.register_buffer("variance", torch.ones(size, dtype=torch.double))

    @property
    def deviation(self) -> Tensor:
        """(size,), never 0."""
        return self.variance.sqrt().clamp(min=_LEAST)

    def update(self, rows: Tensor) -> None:
        """Take in rows (N, size)."""
        rows = rows.to(self.mean)
        total, apart = self.count + len(rows), rows.mean(0) - self.mean
        share = len(rows) / total
        new, old = rows.var(0, correction=0), self.variance * (self.count > 0)
        self.variance = (1 - share) * old + share * new + share * (1 - share) * apart.square()
        self.mean, self.count = self.mean + share * apart, total


class Scales(nn.Module):
    """How observations and rewards are read.

    Args:
        observation_size: O.
        standard: bring both to the size of 1, by all that came so far.
        reward_clip: bound of a reward in absolute value, before that; None: none.
    """

    def __init__(
        self, observation_size: int, standard: bool = False, reward_clip: float | None = None
    ) -> None:
        super().__init__()
        self.reward_clip = reward_clip
        self.seen = Moments(observation_size) if standard else None
        self.earned = Moments(1) if standard else None

    def observation(self, seen: Tensor) -> Tensor:
        """As it is read, (E, O)."""
        if self.seen is None:
            return seen
        apart = (seen - self.seen.mean) / self.seen.deviation
        return apart.clamp(-_FARTHEST, _FARTHEST).to(seen)

    def reward(self, reward: Tensor) -> Tensor:
        """As it is read and learned from, (E,)."""
        bounded = self.bounded(reward)
        return bounded if self.earned is None else (bounded / self.earned.deviation).to(reward)

    def bounded(self, reward: Tensor) -> Tensor:
        """The reward within its bound, (E,)."""
        bound = self.reward_clip
        return reward if bound is None else reward.clamp(-bound, bound)

    def update(self, seen: Tensor, sums: Tensor) -> None:
        """Take in observations (N, O) and discounted sums of rewards (N,)."""
        if self.seen is not None and self.earned is not None:
            self.seen.update(seen)
            self.earned.update(sums[:, None])
