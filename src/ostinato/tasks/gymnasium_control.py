"""Imitation in any environment of gymnasium, with scripted experts for two of its classics.

An observation can be hidden in part, so that a policy needs a memory: without its velocities
neither of the two can be balanced from a single observation.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Generator, Tensor

from ostinato.core.errors import ArgumentError, nearest
from ostinato.core.extras import extra
from ostinato.tasks.environment import Environment, Perturbed
from ostinato.tasks.imitation import ImitationTask
from ostinato.tasks.task import Values

__papers__ = ("sparse-lowrank-cfc",)

Expert = Callable[[Tensor], Tensor]
"""Whole observations (B, D) to actions (B, A)."""


def swing_up(seen: Tensor) -> Tensor:
    """Of Pendulum-v1, (cos θ, sin θ, θ̇): pump energy, and hold the pendulum where it is upright."""
    cos, sin, spin = seen.unbind(-1)
    missing = 5 - (spin.square() / 6 + 5 * cos)
    hold = -(12 * torch.atan2(sin, cos) + 3 * spin)
    pump = torch.where(spin >= 0, 1.0, -1.0) * missing
    return torch.where(cos > 0.9, hold, pump).clamp(-2, 2)[:, None]


def lean(seen: Tensor) -> Tensor:
    """Of CartPole-v1, (x, ẋ, θ, θ̇): above 0 pushes to the right, below to the left.

    The closer to 0, the less does it matter which; a sign alone would be hard to imitate.
    """
    gain = torch.tensor([0.5, 0.8, 10.0, 2.0])
    return (seen @ gain).clamp(-1, 1)[:, None]


# Of each environment: the expert, the observations that a policy gets, the steps of an episode, and
# the noise on the expert's actions, which shows how to come back.
_CLASSICS: dict[str, tuple[Expert, tuple[int, ...], int, float]] = {
    "Pendulum-v1": (swing_up, (0, 1), 200, 0.2),
    "CartPole-v1": (lean, (0, 2), 250, 1.0),
}


class GymnasiumEnvironment(Environment):
    """Rows of an environment of gymnasium.

    Actions are real numbers for a `Box`; for two discrete actions the sign of one number decides.

    Args:
        name: as `gymnasium.make_vec` knows it.
        visible: which numbers of an observation are shown; None: all.
        changes: attributes of the environment that are set first, e.g. {"length": 0.8}.

    Raises:
        MissingExtraError: without gymnasium.
    """

    def __init__(
        self,
        name: str,
        visible: Sequence[int] | None = None,
        changes: Mapping[str, float] | None = None,
    ) -> None:
        self.name, self.visible, self.changes = name, visible, dict(changes or {})
        self._gymnasium = extra("gymnasium", "rl", "An environment of gymnasium")

    def reset(self, rows: int, generator: Generator) -> Tensor:
        """Begin new episodes, seeded by the generator."""
        self._worlds = self._gymnasium.make_vec(self.name, rows, vectorization_mode="sync")
        for world in self._worlds.envs:
            for attribute, value in self.changes.items():
                if not hasattr(world.unwrapped, attribute):
                    raise ArgumentError(
                        f"{self.name} has no {attribute!r}. "
                        f"{nearest(attribute, vars(world.unwrapped))}"
                    )
                setattr(world.unwrapped, attribute, value)
        seed = int(torch.randint(2**31 - 1, (), generator=generator))
        return self._show(self._worlds.reset(seed=seed)[0])

    def step(self, actions: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Act in every row."""
        given = self._given(actions)
        observation, reward, ended, cut, _ = self._worlds.step(given)
        over = torch.as_tensor(ended | cut)
        return self._show(observation), torch.as_tensor(reward).float(), over

    @property
    def whole(self) -> Tensor:
        """The last observation with nothing hidden, (B, D)."""
        return self._whole

    def _given(self, actions: Tensor) -> Any:
        space = self._worlds.single_action_space
        if hasattr(space, "n"):
            return (actions[:, 0] > 0).long().numpy()
        return actions.clamp(float(space.low.min()), float(space.high.max())).numpy()

    def _show(self, observation: Any) -> Tensor:
        self._whole = torch.as_tensor(observation).float()
        return self._whole if self.visible is None else self._whole[:, list(self.visible)]


class GymnasiumTask(ImitationTask):
    """Do as a scripted expert does in a classic of gymnasium, without seeing velocities.

    Args:
        environment: "Pendulum-v1" or "CartPole-v1".
        demonstrations: episodes to learn from.
        seed: what all derives from.
    """

    name = "gymnasium"

    def __init__(
        self, environment: str = "Pendulum-v1", demonstrations: int = 50, seed: int = 0
    ) -> None:
        super().__init__(demonstrations, seed)
        if environment not in _CLASSICS:
            raise ArgumentError(
                f"There is no scripted expert for {environment!r}. "
                f"{nearest(environment, _CLASSICS)} For others, derive from ImitationTask."
            )
        self.environment = environment
        self._expert, self._visible, self.horizon, self._shake = _CLASSICS[environment]
        self.inputs, self.outputs = Values(len(self._visible)), Values(1)

    def demonstrate(self, episodes: int, generator: Generator) -> tuple[Tensor, Tensor]:
        """Observations (N, 100, D) and the expert's actions (N, 100, 1)."""
        world, seen, done = self._world(), list[Tensor](), list[Tensor]()
        observation = world.reset(episodes, generator)
        for _ in range(100):
            action = self._expert(world.whole)
            seen.append(observation)
            done.append(action)
            shaken = action + self._shake * torch.randn(action.shape, generator=generator)
            observation = world.step(shaken)[0]
        return torch.stack(seen, 1), torch.stack(done, 1)

    def environments(self) -> Mapping[str, Environment]:
        """As trained; noise, late and missing observations."""
        return {
            "as trained": self._world(),
            "noise 0.1": Perturbed(self._world(), noise=0.1),
            "delay 2": Perturbed(self._world(), delay=2),
            "occlusion 0.2": Perturbed(self._world(), occlusion=0.2),
        }

    def _world(self) -> GymnasiumEnvironment:
        return GymnasiumEnvironment(self.environment, self._visible)
