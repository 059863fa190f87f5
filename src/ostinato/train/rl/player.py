"""A policy that plays: what it did last it remembers itself."""

from __future__ import annotations

from typing import Any

import torch
from torch import Generator, Tensor

from ostinato.core.state import select
from ostinato.train.rl.policy import RecurrentPolicy


class Player:
    """Acts by a recurrent policy; for `evaluate` and `record_episode`.

    Args:
        policy: by which it acts.
        greedy: take the likeliest action; False: draw it, as in training.
        seed: of what is drawn.
    """

    def __init__(self, policy: RecurrentPolicy, greedy: bool = False, seed: int = 0) -> None:
        self.policy, self.greedy = policy, greedy
        self._generator = Generator().manual_seed(seed)

    @torch.no_grad()
    def __call__(
        self, observation: Tensor, state: Any, begin: Tensor, reward: Tensor
    ) -> tuple[Tensor, Any]:
        """Choose for a step.

        Args:
            observation: what is seen, (E, O).
            state: what it returned last; None at first.
            begin: (E,) bool, where an episode begins.
            reward: of the last step (E,).

        Returns:
            The actions (E,), and what it remembers.
        """
        fresh = self.policy.layer.initial_state(len(observation))
        layer, last = (fresh, torch.zeros_like(begin, dtype=torch.long)) if state is None else state
        going_on = self.policy.inputs(observation, last, reward)
        x = torch.where(begin[:, None], self.policy.inputs(observation), going_on)
        judged, layer = self.policy.step(x, select(begin, fresh, layer))
        if self.greedy:
            action = judged.log_probabilities.argmax(1)
        else:
            action = self.policy.act(judged, self._generator)
        return action, (layer, action)
