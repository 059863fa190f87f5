"""An agent: it acts for a segment, learns from it, and carries on what the learner carries on."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import torch
from torch import Generator, Tensor
from torch.utils import _pytree as pytree

from ostinato.core.errors import TrainingError
from ostinato.core.state import detach, index, leaves
from ostinato.tasks.rl.vector_environment import ResumableEnvironment, VectorEnvironment
from ostinato.train.rl.algorithm import Algorithm, Loss
from ostinato.train.rl.learners import Learner, layer_state
from ostinato.train.rl.policy import RecurrentPolicy
from ostinato.train.rl.rollout import Actor, Finished, Segment
from ostinato.train.rtrl.learner import Carried
from ostinato.train.seeding import step_seed
from ostinato.train.transforms import ClipNorm, global_norm, with_gradient


class Learned(NamedTuple):
    """What came of a segment.

    Attributes:
        loss: of the last update, with its parts.
        gradient_norm: of that update, before clipping.
        finished: the episodes that ended while acting.
    """

    loss: Loss
    gradient_norm: float
    finished: Finished


class Agent:
    """A policy in its environments, and what trains it.

    For example::

        layer = ost.RNN(ELSTMCell(RecurrentPolicy.input_size(3, 4), 32))
        policy = RecurrentPolicy(layer, 32, actions=4)
        agent = Agent(policy, RTRL(layer), A2C(), TMaze(16), steps=5, clip=40.0)
        for _ in range(1000):
            learned = agent.learn()

    Args:
        policy: that acts and learns; it is put into evaluation mode, since a policy that draws
            noise would be another one when it learns than it was when it acted.
        learner: over the policy's layer.
        algorithm: what the loss is.
        environment: that it acts in, E side by side.
        steps: M of a segment.
        clip: bound of the gradient's norm.
        seed: of the environments and of all choices.

    Attributes:
        updates: segments learned from.
    """

    def __init__(
        self,
        policy: RecurrentPolicy,
        learner: Learner,
        algorithm: Algorithm,
        environment: VectorEnvironment,
        *,
        steps: int,
        clip: float,
        seed: int = 0,
    ) -> None:
        self.policy, self.learner, self.algorithm = policy.eval(), learner, algorithm
        self.environment, self.steps, self.seed = environment, steps, seed
        self.optimizer, self.clip = algorithm.optimizer(policy.parameters()), ClipNorm(clip)
        self.actor = Actor(environment, policy, algorithm.discount)
        self.carried: Carried | None = None
        self.updates = 0
        self.actor.reset(self._seed("environments"))

    def learn(self) -> Learned:
        """Act for a segment and learn from it.

        Raises:
            TrainingError: if loss or gradient is not finite; the weights are as before.
        """
        segment, finished = self.act()
        before, after = self.carried, None
        if self.algorithm.epochs * self.algorithm.minibatches > 1:
            # What goes on belongs to the weights that acted, not to those between two updates.
            with torch.no_grad():
                after = self.learner(segment.x, before, resets=segment.begins)[1]
        for rows in self._minibatches():
            own = segment if rows is None else index(segment, rows)
            state = before if rows is None else index(before, rows)
            hidden, passed = self.learner(own.x, state, resets=own.begins)
            loss = self.algorithm.loss(self.policy.judge(hidden), own)
            norm = self._update(loss.total)
            after = after or passed
        self.carried, self.updates = after, self.updates + 1
        return Learned(detach(loss), norm, finished)

    def act(self) -> tuple[Segment, Finished]:
        """Act for a segment, from what is carried."""
        layer: Any = self.policy.layer
        generator = Generator().manual_seed(self._seed("actions"))
        return self.actor.act(layer_state(layer, self.carried), self.steps, generator)

    def content(self) -> dict[str, Any]:
        """All that learning goes on with."""
        environment: Any = self.environment
        resumable = isinstance(environment, ResumableEnvironment)
        return {
            "updates": self.updates,
            "model": self.policy.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "carried": None if self.carried is None else leaves(tuple(self.carried)),
            "actor": self.actor.state_dict(),
            "environment": environment.state_dict() if resumable else None,
        }

    def restore(self, content: Mapping[str, Any]) -> None:
        """Go on from `content()`; bit for bit where the environments can.

        Elsewhere new episodes begin, in another order than those of the beginning.
        """
        self.policy.load_state_dict(content["model"])
        self.optimizer.load_state_dict(content["optimizer"])
        self.updates = content["updates"]
        self.carried = content["carried"] and self._filled(content["carried"])
        if content["environment"] is None:
            self.actor.reset(self._seed("environments"))
        else:
            assert isinstance(self.environment, ResumableEnvironment)
            self.environment.load_state_dict(content["environment"])
            self.actor.load_state_dict(content["actor"])

    def _minibatches(self) -> Iterator[Tensor | None]:
        """The rows of every update; None: all of them."""
        count, number = self.algorithm.minibatches, self.environment.number
        for epoch in range(self.algorithm.epochs):
            if count == 1:
                yield None
                continue
            shuffle = Generator().manual_seed(self._seed(f"rows of epoch {epoch}"))
            yield from torch.randperm(number, generator=shuffle).tensor_split(count)

    def _update(self, loss: Tensor) -> float:
        self.optimizer.zero_grad()
        torch.autograd.backward(loss)
        norm = float(global_norm(e.gradient for e in with_gradient(self.policy.parameters())))
        if not (math.isfinite(loss.item()) and math.isfinite(norm)):
            raise TrainingError(
                f"after {self.updates} segments the loss is {loss.item()} and the norm of its "
                f"gradient {norm}; both must be finite. Take a smaller learning rate, clip "
                "rewards, or bound the recurrent weights of the cell."
            )
        self.clip(self.optimizer.param_groups)
        self.optimizer.step()
        return norm

    def _filled(self, values: list[Tensor]) -> Carried:
        """What was carried, in the form that a first segment returns."""
        with torch.no_grad():
            _, like = self.learner(self.actor.x[:, None])
        left = iter(values)
        return Carried(*pytree.tree_map(lambda leaf: leaf if leaf is None else next(left), like))

    def _seed(self, stream: str) -> int:
        """A pure function of the update, so that no generator has to be saved."""
        return step_seed(self.seed, self.updates, stream)
