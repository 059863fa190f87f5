"""How far a mean is to be trusted: B. Efron 1979, "Bootstrap methods", Annals of Statistics 7."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Generator, Tensor

from ostinato.core.errors import ArgumentError


class Interval(NamedTuple):
    """Where the mean lies, with some confidence.

    Attributes:
        low: its lower end.
        high: its upper end.
    """

    low: float
    high: float


def bootstrap_interval(
    values: Tensor, confidence: float = 0.95, draws: int = 2000, seed: int = 0
) -> Interval:
    """The percentile interval of the mean.

    Args:
        values: (N,) independent ones, or (S, N) in groups, such as N episodes for each of S
            training runs. Groups are drawn first and values within each of them then, since the
            runs differ by more than their episodes do.
        confidence: how much of the draws' means lies within.
        draws: with replacement, as many values each as there are.
        seed: of the draws.

    Raises:
        ArgumentError: if there is no value, or the confidence is not between 0 and 1.
    """
    if values.ndim not in (1, 2) or not values.numel() or not 0 < confidence < 1:
        raise ArgumentError(
            "A bootstrap interval needs values (N,) or (S, N), at least one, and a confidence "
            f"between 0 and 1; got {tuple(values.shape)} and {confidence}."
        )
    groups, generator = values.double().view(-1, values.shape[-1]), Generator().manual_seed(seed)
    means = torch.stack([_drawn_mean(groups, generator) for _ in range(draws)])
    tail = (1 - confidence) / 2
    low, high = means.quantile(means.new_tensor([tail, 1 - tail])).tolist()
    return Interval(low, high)


def _drawn_mean(groups: Tensor, generator: Generator) -> Tensor:
    many, size = groups.shape
    chosen = torch.randint(many, (many, 1), generator=generator)
    return groups[chosen, torch.randint(size, (many, size), generator=generator)].mean()
