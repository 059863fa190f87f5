"""Acting: E environments side by side, remembered in segments of M steps."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Generator, Tensor

from ostinato.core.state import State, select, stack
from ostinato.tasks.rl.vector_environment import Transition, VectorEnvironment
from ostinato.train.rl.policy import RecurrentPolicy
from ostinato.train.rl.targets import Trace


class Segment(NamedTuple):
    """M steps of E environments, in the order of time.

    Attributes:
        x: what the policy read, (E, M, I).
        begins: (E, M) bool, true where an episode begins.
        actions: what it did, (E, M) int64.
        log_probabilities: log μ (E, M) of these actions, when they were taken.
        values: V (E, M), then.
        trace: what it earned.
    """

    x: Tensor
    begins: Tensor
    actions: Tensor
    log_probabilities: Tensor
    values: Tensor
    trace: Trace


class Finished(NamedTuple):
    """The episodes that ended while acting.

    Attributes:
        returns: (F,) undiscounted sums of rewards.
        lengths: (F,) their steps.
    """

    returns: Tensor
    lengths: Tensor


class Actor:
    """Acts, segment after segment.

    Args:
        environment: that it acts in.
        policy: by which it acts.
        reward_clip: bound of a reward in absolute value; None: none.

    Attributes:
        x: what the policy reads next, (E, I).
        begins: (E,) bool, where this begins an episode.
    """

    def __init__(
        self,
        environment: VectorEnvironment,
        policy: RecurrentPolicy,
        reward_clip: float | None = None,
    ) -> None:
        self.environment, self.policy, self.reward_clip = environment, policy, reward_clip
        self.x = self.begins = torch.empty(0)

    def reset(self, seed: int) -> None:
        """Begin new episodes everywhere."""
        self.x = self.policy.inputs(self.environment.reset(seed))
        self.begins = torch.ones(len(self.x), dtype=torch.bool)

    @torch.no_grad()
    def act(self, state: State, steps: int, generator: Generator) -> tuple[Segment, Finished]:
        """Act for a segment.

        Args:
            state: of the policy's layer after the segment before; None before the first.
            steps: M.
            generator: of the choice of actions.
        """
        fresh = self.policy.layer.initial_state(len(self.x))
        state = fresh if state is None else state
        found, transitions = list[Segment](), list[Transition]()
        for left in reversed(range(steps)):
            x, begins = self.x, self.begins
            judged, state = self.policy.step(x, select(begins, fresh, state))
            action = self.policy.act(judged, generator)
            transition = self.environment.step(action)
            reward = self._clipped(transition.reward)
            joined = ~transition.over if left else torch.zeros_like(transition.over)
            trace = Trace(reward, joined, self._beyond(transition, action, reward, joined, state))
            found.append(Segment(x, begins, action, judged.of(action), judged.values, trace))
            self._see(transition, action, reward)
            transitions.append(transition)
        return stack(found, 1), Finished(
            torch.cat([each.returns for each in transitions]),
            torch.cat([each.lengths for each in transitions]),
        )

    def state_dict(self) -> dict[str, Any]:
        """What comes next; the environments have theirs."""
        return {"x": self.x, "begins": self.begins}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from there."""
        self.x, self.begins = state["x"], state["begins"]

    def _beyond(
        self, t: Transition, action: Tensor, reward: Tensor, joined: Tensor, state: State
    ) -> Tensor:
        """V of the next observation where the trace ends there, but the episode does not."""
        wanted = ~(joined | t.terminated)
        if not wanted.any():
            return torch.zeros_like(reward)
        judged, _ = self.policy.step(self.policy.inputs(t.final_observation, action, reward), state)
        return torch.where(wanted, judged.values, 0)

    def _see(self, t: Transition, action: Tensor, reward: Tensor) -> None:
        going_on = self.policy.inputs(t.observation, action, reward)
        self.begins = t.over
        self.x = torch.where(t.over[:, None], self.policy.inputs(t.observation), going_on)

    def _clipped(self, reward: Tensor) -> Tensor:
        bound, reward = self.reward_clip, reward.to(self.x)
        return reward if bound is None else reward.clamp(-bound, bound)
