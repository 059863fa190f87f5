"""Environments that are tensors: E episodes advance in a few operations, and resume bit by bit."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import torch
from numpy import ndarray
from torch import Generator, Tensor

from ostinato.core.errors import ArgumentError
from ostinato.tasks.arguments import require_at_least
from ostinato.tasks.rl.episode_totals import EpisodeTotals
from ostinato.tasks.rl.vector_environment import Transition
from ostinato.tasks.seeds import generator_at

World = dict[str, Tensor]
"""The state of E environments: tensors by name, (E, …) each, which are never written into."""


class TensorEnvironment(ABC):
    """A `VectorEnvironment` whose subclass says how a world begins, goes on and looks.

    Args:
        number: E.
        limit: steps after which an episode is cut off.

    Raises:
        ArgumentError: if one of them is below 1.
    """

    name: str
    observation_size: int
    actions: int

    def __init__(self, number: int, limit: int) -> None:
        require_at_least(1, number=number, limit=limit)
        self.number, self.limit = number, limit
        self.world: World = {}
        self._generator, self._totals = Generator(), EpisodeTotals(number)

    @abstractmethod
    def begin(self, episodes: int, generator: Generator) -> World:
        """The worlds in which new episodes begin."""

    @abstractmethod
    def advance(self, world: World, action: Tensor) -> tuple[World, Tensor, Tensor]:
        """What actions (E,) make of worlds: these, rewards (E,), and where it is the end (E,)."""

    @abstractmethod
    def observe(self, world: World) -> Tensor:
        """What is seen of worlds, (E, O)."""

    @abstractmethod
    def frame(self) -> ndarray:
        """The first of the worlds as a picture, (height, width, 3) uint8."""

    def reset(self, seed: int | None = None) -> Tensor:
        """Begin new episodes everywhere, from a seed or going on with what is random."""
        if seed is not None:
            self._generator = generator_at(seed, self.name)
        self._totals = EpisodeTotals(self.number)
        self.world = self.begin(self.number, self._generator)
        return self.observe(self.world)

    def step(self, action: Tensor) -> Transition:
        """Take the actions (E,), and begin new episodes where one ends.

        Raises:
            ArgumentError: before the first reset, or if the actions are not E of the known ones.
        """
        self._require(action)
        self.world, reward, terminated = self.advance(self.world, action)
        self._totals.add(reward)
        truncated = (self._totals.lengths >= self.limit) & ~terminated
        last = self.observe(self.world)
        first = self._begin_where(terminated | truncated, last)
        ended = self._totals.take(terminated | truncated)
        return Transition(first, reward, terminated, truncated, last, *ended)

    def _begin_where(self, over: Tensor, seen: Tensor) -> Tensor:
        rows = over.nonzero()[:, 0]
        if not len(rows):
            return seen
        fresh = self.begin(len(rows), self._generator)
        self.world = {k: v.index_copy(0, rows, fresh[k]) for k, v in self.world.items()}
        return seen.index_copy(0, rows, self.observe(fresh))

    def _require(self, action: Tensor) -> None:
        if not self.world:
            raise ArgumentError(f"{self.name} has no episodes yet: call reset(seed) before step.")
        fits = action.shape == (self.number,) and action.dtype == torch.long
        if not fits or not 0 <= int(action.min()) <= int(action.max()) < self.actions:
            raise ArgumentError(
                f"{self.name} takes actions ({self.number},) int64 from 0 to {self.actions - 1}; "
                f"got {tuple(action.shape)} {action.dtype} {action.flatten()[:8].tolist()}."
            )

    def state_dict(self) -> dict[str, Any]:
        """The worlds, the episodes' totals, and the state of what is random."""
        return {
            "world": dict(self.world),
            "returns": self._totals.returns,
            "lengths": self._totals.lengths,
            "generator": self._generator.get_state(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where another of the same number was.

        Raises:
            ArgumentError: if the state is of another number of environments.
        """
        if len(state["returns"]) != self.number:
            raise ArgumentError(
                f"The state is of {len(state['returns'])} environments, not of {self.number}: "
                f"make {self.name} with number={len(state['returns'])}."
            )
        self.world = dict(state["world"])
        self._totals.returns, self._totals.lengths = state["returns"], state["lengths"]
        self._generator.set_state(state["generator"])
