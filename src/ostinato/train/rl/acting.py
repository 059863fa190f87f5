"""Acting without learning: to be measured, or to be watched."""

from __future__ import annotations

from typing import Any, Protocol

import torch
from torch import Tensor

from ostinato.tasks.rl.vector_environment import Transition, VectorEnvironment


class Acting(Protocol):
    """Chooses actions, and remembers. Whether it draws them or takes the likeliest is its own."""

    def __call__(
        self, observation: Tensor, state: Any, begin: Tensor, reward: Tensor
    ) -> tuple[Tensor, Any]:
        """Choose for a step.

        Args:
            observation: what is seen, (E, O).
            state: what it returned last; None at first.
            begin: (E,) bool, where an episode begins, of which nothing before may be remembered.
            reward: that of the last step (E,), zero where an episode begins.

        Returns:
            The actions (E,) int64, and what it remembers.
        """


class Play:
    """Episodes under way.

    Args:
        acting: chooses the actions.
        environment: which is reset.
        seed: of the episodes.
    """

    def __init__(self, acting: Acting, environment: VectorEnvironment, seed: int) -> None:
        self.acting, self.environment = acting, environment
        self._observation, self._state = environment.reset(seed), None
        self._begin = torch.ones(environment.number, dtype=torch.bool)
        self._reward = torch.zeros(environment.number)

    @torch.no_grad()
    def step(self) -> Transition:
        """Act once everywhere."""
        action, self._state = self.acting(self._observation, self._state, self._begin, self._reward)
        t = self.environment.step(action)
        self._observation, self._begin = t.observation, t.over
        self._reward = t.reward.masked_fill(t.over, 0)
        return t
