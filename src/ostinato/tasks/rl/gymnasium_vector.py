"""Vector environments of gymnasium, behind the interface of `VectorEnvironment`.

Their episodes cannot be put back in the middle: after a pause they begin anew.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy import ndarray
from torch import Tensor

from ostinato.core.errors import ArgumentError, MissingExtraError
from ostinato.core.extras import extra
from ostinato.tasks.rl.episode_totals import EpisodeTotals
from ostinato.tasks.rl.flattening import flattening
from ostinato.tasks.rl.vector_environment import NoPictureError, Transition
from ostinato.tasks.seeds import generator_at


class GymnasiumVectorEnvironment:
    """E environments of gymnasium with discrete actions.

    For example::

        worlds = gymnasium.make_vec(
            "CartPole-v1", 8, "sync", vector_kwargs={"autoreset_mode": "SameStep"}
        )
        environment = GymnasiumVectorEnvironment(worlds, "CartPole-v1")

    Args:
        worlds: a vector environment that begins the next episode in the step that ends one,
            `AutoresetMode.SAME_STEP`, and so tells the last observation of the one that ended.
        name: what it is called; the seeds of its episodes derive from this too.
        shrink: squares of so many pixels of an image become their mean.

    Raises:
        ArgumentError: if it begins episodes at another time, its actions are not discrete, or its
            observations are nothing that becomes numbers.
        MissingExtraError: without gymnasium.
    """

    def __init__(self, worlds: Any, name: str, shrink: int = 1) -> None:
        self.worlds, self.name, self.number = worlds, name, worlds.num_envs
        self._gymnasium = extra("gymnasium", "rl", "An environment of gymnasium")
        _require_same_step(worlds, self._gymnasium.vector.AutoresetMode.SAME_STEP)
        self._space = worlds.single_observation_space
        self.actions, self._first_action = _discrete(worlds.single_action_space, self._gymnasium)
        self.observation_size, self._flatten = flattening(self._space, shrink)
        self._totals = EpisodeTotals(self.number)

    def reset(self, seed: int | None = None) -> Tensor:
        """Begin new episodes everywhere, each environment with a seed of its own."""
        seeds = None if seed is None else [self._seed(seed, row) for row in range(self.number)]
        self._totals = EpisodeTotals(self.number)
        return self._flatten(self.worlds.reset(seed=seeds)[0])

    def step(self, action: Tensor) -> Transition:
        """Take the actions (E,) int64."""
        given = action.numpy() + self._first_action
        seen, reward, ended, cut, info = self.worlds.step(given)
        terminated = torch.as_tensor(ended)
        truncated = torch.as_tensor(cut) & ~terminated
        over, first = terminated | truncated, self._flatten(seen)
        earned = torch.as_tensor(reward).float()
        self._totals.add(earned)
        returns, lengths = self._totals.take(over)
        last = self._last(first, over, info)
        return Transition(first, earned, terminated, truncated, last, returns, lengths)

    def frame(self) -> ndarray:
        """The first of the environments as it draws itself.

        Raises:
            NoPictureError: if it does not.
            MissingExtraError: without what it draws with.
        """
        try:
            pictures = self.worlds.render() if self.worlds.render_mode == "rgb_array" else None
        except self._gymnasium.error.DependencyNotInstalled as error:
            raise MissingExtraError(f"A picture of {self.name} needs more: {error}.") from error
        if not pictures or pictures[0] is None:
            raise NoPictureError(
                f"{self.name} draws no pictures: it needs the render mode 'rgb_array', and has "
                f"{self.worlds.render_mode!r}."
            )
        return np.asarray(pictures[0], dtype=np.uint8)

    def close(self) -> None:
        """Let go of what the environments hold, such as windows and processes."""
        self.worlds.close()

    def _last(self, first: Tensor, over: Tensor, info: dict[str, Any]) -> Tensor:
        """The last observations of the episodes that are over, `first` elsewhere."""
        rows = over.nonzero()[:, 0]
        if not len(rows):
            return first
        batch = self._gymnasium.vector.utils
        told = [info["final_obs"][int(row)] for row in rows]
        empty = batch.create_empty_array(self._space, len(told))
        last = self._flatten(batch.concatenate(self._space, told, empty))
        return first.index_copy(0, rows, last)

    def _seed(self, seed: int, row: int) -> int:
        # Neighbouring numbers would make the second row of one seed the first row of the next.
        return int(torch.randint(2**31 - 1, (), generator=generator_at(seed, self.name, row)))


def _require_same_step(worlds: Any, same_step: Any) -> None:
    mode = worlds.metadata.get("autoreset_mode")
    if mode != same_step:
        raise ArgumentError(
            f"The vector environment must begin the next episode in the step that ends one, "
            f"AutoresetMode.SAME_STEP; got {mode}. Make it with "
            "vector_kwargs={'autoreset_mode': AutoresetMode.SAME_STEP}."
        )


def _discrete(space: Any, gymnasium: Any) -> tuple[int, int]:
    """How many actions there are, and the number of the first."""
    if not isinstance(space, gymnasium.spaces.Discrete):
        raise ArgumentError(
            f"The actions must be Discrete; got {space}. Wrap the environment so that it offers "
            "one choice of a few actions."
        )
    return int(space.n), int(space.start)
