"""A policy that remembers: what it saw, did and earned goes through a recurrent layer.

    h_t = layer([o_t, a_{t−1}, r_{t−1}], h_{t−1}),   π = softmax(W h_t + b),   V = w·h_t + b_V

The last action, as a unit vector, and the last reward are zero where an episode begins. Policy
and value are read out of one layer, as in IMPALA (L. Espeholt et al. 2018, arXiv 1802.01561);
there a convolutional network stands between observation and layer, here the cell's own input.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ostinato.core.state import State
from ostinato.over.layer import SequenceLayer
from ostinato.train.rl.scales import Scales


class Judgement(NamedTuple):
    """What a policy makes of the layer's outputs.

    Attributes:
        log_probabilities: log π of every action, (..., A).
        values: V (...,).
    """

    log_probabilities: Tensor
    values: Tensor

    def of(self, actions: Tensor) -> Tensor:
        """log π (...,) of the actions (...,)."""
        return self.log_probabilities.gather(-1, actions[..., None])[..., 0]

    @property
    def entropy(self) -> Tensor:
        """−Σ π log π (...,)."""
        return -(self.log_probabilities.exp() * self.log_probabilities).sum(-1)


class RecurrentPolicy(nn.Module):
    """Policy and value over a recurrent layer.

    For example::

        policy = RecurrentPolicy(ost.RNN(ELSTMCell(7, 64)), 64, actions=4)   # of 2 numbers seen
        x = policy.inputs(observation)                     # (E, 2) to (E, 7)
        judged, state = policy.step(x)
        action = policy.act(judged)
        x = policy.inputs(observation, action, reward)     # of the next step

    Args:
        layer: runs over time; its inputs are what `inputs` gives.
        width: of its outputs.
        actions: A, how many there are.
        scales: how observations and rewards are read; None: as they are.
    """

    def __init__(
        self, layer: SequenceLayer, width: int, actions: int, scales: Scales | None = None
    ) -> None:
        super().__init__()
        self.layer, self.actions, self.scales = layer, actions, scales or Scales(0)
        self.policy, self.value = nn.Linear(width, actions), nn.Linear(width, 1)
        # All actions are about as likely at first, whatever the layer says.
        nn.init.orthogonal_(self.policy.weight, 0.01)
        nn.init.zeros_(self.policy.bias)
        nn.init.zeros_(self.value.bias)

    @staticmethod
    def input_size(observation_size: int, actions: int) -> int:
        """The size of what `inputs` gives."""
        return observation_size + actions + 1

    def inputs(
        self, observation: Tensor, action: Tensor | None = None, reward: Tensor | None = None
    ) -> Tensor:
        """What the layer reads, (E, O + A + 1).

        Args:
            observation: o (E, O).
            action: the last one (E,); None where an episode begins.
            reward: the last one (E,); None where an episode begins.
        """
        seen = self.scales.observation(observation).to(self.value.weight)
        if action is None or reward is None:
            return F.pad(seen, (0, self.actions + 1))
        done = F.one_hot(action, self.actions).to(seen)
        return torch.cat([seen, done, self.scales.reward(reward)[:, None].to(seen)], 1)

    def judge(self, hidden: Tensor) -> Judgement:
        """Policy and value of the layer's outputs (..., H)."""
        return Judgement(self.policy(hidden).log_softmax(-1), self.value(hidden)[..., 0])

    def step(self, x: Tensor, state: State = None) -> tuple[Judgement, State]:
        """One step of a stream: inputs (E, I) and a state to what is made of it, and a state."""
        hidden, state = self.layer.step(x, state)
        return self.judge(hidden), state

    def act(self, judged: Judgement, generator: torch.Generator | None = None) -> Tensor:
        """Draw actions (E,)."""
        drawn: Tensor = torch.multinomial(judged.log_probabilities.exp(), 1, generator=generator)[
            :, 0
        ]
        return drawn
