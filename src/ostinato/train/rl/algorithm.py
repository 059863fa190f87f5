"""What an algorithm says about a segment: a loss, and how often it is learned from."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple, Protocol

from torch import Tensor, nn
from torch.optim import Optimizer

from ostinato.train.rl.policy import Judgement
from ostinato.train.rl.rollout import Segment

ALGORITHMS = ("a2c", "ppo")


class Loss(NamedTuple):
    """A loss and what it is made of, scalars.

    Attributes:
        total: to be minimised.
        policy: of the actions.
        value: squared error of the values.
        entropy: of the policy, mean over the steps.
        divergence: of the policy from the one that acted, KL(μ‖π), estimated on its actions.
    """

    total: Tensor
    policy: Tensor
    value: Tensor
    entropy: Tensor
    divergence: Tensor


class Algorithm(Protocol):
    """Learns from segments."""

    @property
    def discount(self) -> float:
        """γ, what a reward is worth one step later."""

    @property
    def epochs(self) -> int:
        """How often from each."""

    @property
    def minibatches(self) -> int:
        """Into how many groups of whole rows a segment falls, an update for each."""

    def loss(self, judged: Judgement, segment: Segment) -> Loss:
        """The loss of a segment (E, M), given what the policy makes of it now, with gradient."""

    def optimizer(self, parameters: Iterable[nn.Parameter]) -> Optimizer:
        """What the algorithm was published with."""


def divergence(log_ratio: Tensor) -> Tensor:
    """KL(μ‖π) from log π/μ of actions that μ took: mean of π/μ − 1 − log π/μ, never negative."""
    found: Tensor = (log_ratio.expm1() - log_ratio).mean()
    return found.detach()
