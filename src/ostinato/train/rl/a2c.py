"""Advantage actor-critic with a recurrent policy, one update for each segment.

    L = Σ −log π(a_t) A_t + c_V ½ Σ (v_t − V_t)² − c_H Σ H(π_t)

v and A by V-trace, sums over all steps of all environments. With the learner "rtrl" it is R2AC of
K. Irie, A. Gopalakrishnan, J. Schmidhuber, ICLR 2024, arXiv 2305.19044: IMPALA with a cell whose
sensitivities go along; its RMSProp, learning rate and bound of the gradient's norm are the
defaults. Deviation: here the one who acts has the weights of the one who learns, so that π/μ is 1
but for rounding, and V-trace gives n-step returns.
V. Mnih et al. 2016, arXiv 1602.01783; L. Espeholt et al. 2018, arXiv 1802.01561.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import nn
from torch.optim import Optimizer

from ostinato.train.rl.algorithm import Loss, divergence
from ostinato.train.rl.policy import Judgement
from ostinato.train.rl.rollout import Segment
from ostinato.train.rl.targets import v_trace

__papers__ = ("rtrl",)


@dataclass(frozen=True)
class A2C:
    """Advantage actor-critic.

    Attributes:
        discount: γ.
        trace_decay: λ of V-trace.
        entropy: c_H.
        value: c_V.
        learning_rate: of RMSProp at its peak.
        epochs: 1.
        minibatches: 1.
    """

    discount: float = 0.99
    trace_decay: float = 1.0
    entropy: float = 0.01
    value: float = 0.5
    learning_rate: float = 6e-4
    epochs: int = 1
    minibatches: int = 1

    def loss(self, judged: Judgement, segment: Segment) -> Loss:
        """The loss of a segment; see `Algorithm`."""
        chosen = judged.of(segment.actions)
        log_ratio = chosen.detach() - segment.log_probabilities
        targets = v_trace(
            segment.trace,
            judged.values.detach(),
            log_ratio.exp(),
            self.discount,
            self.trace_decay,
        )
        policy = -(chosen * targets.advantages).sum()
        value = (targets.values - judged.values).square().sum() / 2
        total = policy + self.value * value - self.entropy * judged.entropy.sum()
        return Loss(total, policy, value, judged.entropy.mean().detach(), divergence(log_ratio))

    def optimizer(self, parameters: Iterable[nn.Parameter]) -> Optimizer:
        """RMSProp."""
        return torch.optim.RMSprop(parameters, self.learning_rate, alpha=0.99, eps=0.01)
