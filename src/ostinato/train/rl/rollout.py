"""Acting: E environments side by side, remembered in segments of M steps."""

from __future__ import annotations

from collections.abc import Sequence
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
        policy: by which it acts; its scales take in each segment when it is over.
        discount: γ of the sums by which rewards are scaled.

    Attributes:
        x: what the policy reads next, (E, I).
        begins: (E,) bool, where this begins an episode.
        sums: discounted, of the rewards of the episodes so far (E,).
    """

    def __init__(
        self, environment: VectorEnvironment, policy: RecurrentPolicy, discount: float = 0.99
    ) -> None:
        self.environment, self.policy, self.discount = environment, policy, discount
        self.x = self.begins = self.sums = torch.empty(0)

    def reset(self, seed: int) -> None:
        """Begin new episodes everywhere."""
        self.x = self.policy.inputs(self.environment.reset(seed))
        self.begins = torch.ones(len(self.x), dtype=torch.bool)
        self.sums = torch.zeros(len(self.x))

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
            reward = self.policy.scales.reward(transition.reward).to(x)
            joined = ~transition.over if left else torch.zeros_like(transition.over)
            trace = Trace(reward, joined, self._beyond(transition, action, joined, state))
            found.append(Segment(x, begins, action, judged.of(action), judged.values, trace))
            self._see(transition, action)
            transitions.append(transition)
        self._rescale(transitions)
        return stack(found, 1), Finished(
            torch.cat([each.returns for each in transitions]),
            torch.cat([each.lengths for each in transitions]),
        )

    def state_dict(self) -> dict[str, Any]:
        """What comes next; the environments have theirs."""
        return {"x": self.x, "begins": self.begins, "sums": self.sums}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from there."""
        self.x, self.begins, self.sums = state["x"], state["begins"], state["sums"]

    def _beyond(self, t: Transition, action: Tensor, joined: Tensor, state: State) -> Tensor:
        """V of the next observation where the trace ends there, but the episode does not."""
        wanted = ~(joined | t.terminated)
        if not wanted.any():
            return torch.zeros(len(wanted)).to(self.x)
        x = self.policy.inputs(t.final_observation, action, t.reward)
        judged, _ = self.policy.step(x, state)
        return torch.where(wanted, judged.values, 0)

    def _see(self, t: Transition, action: Tensor) -> None:
        going_on = self.policy.inputs(t.observation, action, t.reward)
        self.begins = t.over
        self.x = torch.where(t.over[:, None], self.policy.inputs(t.observation), going_on)

    def _rescale(self, transitions: Sequence[Transition]) -> None:
        """At the end of a segment, so that all of it is read alike."""
        scales, sums = self.policy.scales, []
        for t in transitions:
            sums.append(self.discount * self.sums + scales.bounded(t.reward))
            self.sums = sums[-1].masked_fill(t.over, 0)
        scales.update(torch.cat([t.observation for t in transitions]), torch.cat(sums))
