"""Proximal policy optimisation with a recurrent policy: several epochs over each segment.

    L = −mean min(ρ_t Â_t, clip(ρ_t, 1 − ε, 1 + ε) Â_t) + c_V ½ mean (R_t − V_t)² − c_H mean H(π_t)

with ρ = π/μ, GAE for R and A, and Â the advantages of a minibatch made standard. A minibatch is
whole rows: each epoch runs them through the layer again from the state that the segment began
with, which older weights made, and with the resets inside; so before the first update ρ is 1.
J. Schulman et al. 2017, "Proximal Policy Optimization Algorithms", arXiv 1707.06347. Deviations:
no clipping of values; Adam with ε = 1e-5.

With the learner "rtrl" the sensitivities that the segment began with serve all its epochs, though
each update makes them older.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from ostinato.train.rl.algorithm import Loss, divergence
from ostinato.train.rl.policy import Judgement
from ostinato.train.rl.rollout import Segment
from ostinato.train.rl.targets import generalized_advantages


@dataclass(frozen=True)
class PPO:
    """Proximal policy optimisation.

    Attributes:
        discount: γ.
        trace_decay: λ of GAE.
        entropy: c_H.
        value: c_V.
        learning_rate: of Adam at its peak.
        epochs: passes over a segment.
        minibatches: groups of rows in each.
        ratio_clip: ε.
    """

    discount: float = 0.99
    trace_decay: float = 0.95
    entropy: float = 0.01
    value: float = 0.5
    learning_rate: float = 3e-4
    epochs: int = 4
    minibatches: int = 4
    ratio_clip: float = 0.2

    def loss(self, judged: Judgement, segment: Segment) -> Loss:
        """The loss of a segment; see `Algorithm`."""
        targets = generalized_advantages(
            segment.trace, segment.values, self.discount, self.trace_decay
        )
        log_ratio = judged.of(segment.actions) - segment.log_probabilities
        policy = -self._gain(log_ratio.exp(), _standard(targets.advantages)).mean()
        value = (targets.values - judged.values).square().mean() / 2
        entropy = judged.entropy.mean()
        total = policy + self.value * value - self.entropy * entropy
        return Loss(total, policy, value, entropy.detach(), divergence(log_ratio))

    def optimizer(self, parameters: Iterable[nn.Parameter]) -> Optimizer:
        """Adam."""
        return torch.optim.Adam(parameters, self.learning_rate, eps=1e-5)

    def _gain(self, ratio: Tensor, advantages: Tensor) -> Tensor:
        """Of each step, without the part that a larger change of the policy would bring."""
        near = ratio.clamp(1 - self.ratio_clip, 1 + self.ratio_clip)
        return torch.minimum(ratio * advantages, near * advantages)


def _standard(advantages: Tensor) -> Tensor:
    """With mean 0 and deviation 1."""
    apart = advantages - advantages.mean()
    return apart / (apart.square().mean().sqrt() + 1e-8)
