"""What a policy acts in: a closed loop of observations and actions, many rows at a time."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from typing import Any

import torch
from torch import Generator, Tensor

from ostinato.core.errors import ArgumentError

Policy = Callable[[Tensor, Any], tuple[Tensor, Any]]
"""(observations (B, D), state or None) to (actions (B, A), state): `SequenceModel.step`, say."""


class Environment(ABC):
    """Rows of episodes side by side."""

    @abstractmethod
    def reset(self, rows: int, generator: Generator) -> Tensor:
        """Begin new episodes; the first observations (B, D)."""

    @abstractmethod
    def step(self, actions: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Act: (B, A) to observations (B, D), rewards (B,) and which episodes are over (B,)."""


class Perturbed(Environment):
    """An environment whose observations are noisy, late, or missing.

    Args:
        inner: the environment as it is.
        noise: standard deviation of what is added to every observation.
        occlusion: probability that a step shows nothing, i.e. zeros.
        delay: by how many steps observations are late; the first is repeated meanwhile.

    Raises:
        ArgumentError: if one of them is out of range.
    """

    def __init__(
        self, inner: Environment, *, noise: float = 0.0, occlusion: float = 0.0, delay: int = 0
    ) -> None:
        if noise < 0 or not 0 <= occlusion <= 1 or delay < 0:
            raise ArgumentError(
                "A perturbation needs noise ≥ 0, occlusion in [0, 1] and delay ≥ 0; got "
                f"noise={noise}, occlusion={occlusion}, delay={delay}."
            )
        self.inner, self.noise, self.occlusion, self.delay = inner, noise, occlusion, delay

    def reset(self, rows: int, generator: Generator) -> Tensor:
        """Begin new episodes."""
        first = self.inner.reset(rows, generator)
        self._generator, self._seen = generator, deque([first] * self.delay)
        return self._show(first)

    def step(self, actions: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Act, and see what is left of the observation."""
        observation, reward, over = self.inner.step(actions)
        return self._show(observation), reward, over

    def _show(self, observation: Tensor) -> Tensor:
        self._seen.append(observation)
        shown = self._seen.popleft()
        if self.noise:
            shown = shown + self.noise * torch.randn(shown.shape, generator=self._generator)
        if self.occlusion:
            dark = torch.rand(len(shown), 1, generator=self._generator) < self.occlusion
            shown = shown.masked_fill(dark, 0)
        return shown


@torch.no_grad()
def returns(
    policy: Policy, environment: Environment, steps: int, rows: int, generator: Generator
) -> Tensor:
    """What episodes bring a policy that carries its state, (rows,): rewards until they are over.

    Args:
        policy: acts on the observations.
        environment: that it acts in.
        steps: the most of an episode.
        rows: episodes.
        generator: source of all that is random in the environment.
    """
    observation, state = environment.reset(rows, generator), None
    total, alive = torch.zeros(rows), torch.ones(rows, dtype=torch.bool)
    for _ in range(steps):
        actions, state = policy(observation, state)
        observation, reward, over = environment.step(actions)
        total += torch.where(alive, reward, 0)
        alive &= ~over
        if not alive.any():
            break
    return total
