"""What values and actions are compared with: sums of rewards to come, as linear recurrences.

Backwards in time, and cut where a trace ends, each of them is h_t = a_t h_{t+1} + b_t, one
`affine_scan`. With γ the discount, λ the decay and V' the value of the next observation:

    n-step     R_t = r_t + γ R_{t+1},   R_{t+1} = V' where the trace ends
    GAE        A_t = δ_t + γλ A_{t+1},  δ_t = r_t + γ V' − V_t
    V-trace    v_t − V_t = ρ_t δ_t + γλ c_t (v_{t+1} − V_{t+1}),  A_t = ρ_t (r_t + γ v_{t+1} − V_t)
    in it      ρ_t = min(ρ̄, π/μ),  c_t = min(c̄, π/μ)

All tensors are (E, M): M steps of E environments. A trace ends with an episode and with the
segment. What it leaves out, `beyond`, is V' there, and 0 where an episode came to its end.

R. J. Williams, J. Peng 1990 (n-step); J. Schulman et al. 2016, "High-Dimensional Continuous
Control Using Generalized Advantage Estimation", arXiv 1506.02438; L. Espeholt et al. 2018,
"IMPALA", arXiv 1802.01561, whose remark 2 has λ in c.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from ostinato.engines.parallel.affine import affine_scan

__papers__ = ("rtrl",)


class Trace(NamedTuple):
    """What was earned along M steps of E environments, and where it belongs together.

    Attributes:
        rewards: r (E, M).
        joined: (E, M) bool, whether the next step of the segment continues the episode.
        beyond: V' (E, M) where it does not; 0 where the episode came to its end.
    """

    rewards: Tensor
    joined: Tensor
    beyond: Tensor

    def next_values(self, values: Tensor) -> Tensor:
        """V' (E, M) of every step, given V."""
        following = torch.cat([values[:, 1:], torch.zeros_like(values[:, :1])], 1)
        return torch.where(self.joined, following, self.beyond)


class Targets(NamedTuple):
    """What is learned from a segment.

    Attributes:
        values: what V is to become, (E, M).
        advantages: how much better an action was than expected, (E, M).
    """

    values: Tensor
    advantages: Tensor


def n_step_returns(trace: Trace, discount: float) -> Tensor:
    """Rewards to the end of the trace, and the value of what is beyond it, (E, M)."""
    ahead = torch.where(trace.joined, 0, discount * trace.beyond)
    return _backwards(discount * _numbers(trace), trace.rewards + ahead)


def generalized_advantages(
    trace: Trace, values: Tensor, discount: float, decay: float = 1.0
) -> Targets:
    """GAE(λ); with λ = 1 the values to learn are the n-step returns.

    Args:
        trace: of the segment.
        values: V (E, M).
        discount: γ.
        decay: λ.
    """
    surprise = trace.rewards + discount * trace.next_values(values) - values
    advantages = _backwards(discount * decay * _numbers(trace), surprise)
    return Targets(values + advantages, advantages)


def v_trace(
    trace: Trace,
    values: Tensor,
    ratio: Tensor,
    discount: float,
    decay: float = 1.0,
    clip_rho: float = 1.0,
    clip_c: float = 1.0,
) -> Targets:
    """V-trace: targets of π from actions of μ.

    Args:
        trace: of the segment.
        values: V (E, M).
        ratio: π/μ (E, M) of the actions taken.
        discount: γ.
        decay: λ.
        clip_rho: ρ̄, which decides between the values of π and those of μ.
        clip_c: c̄, which decides how fast they are found.
    """
    rho, c = ratio.clamp(max=clip_rho), ratio.clamp(max=clip_c)
    surprise = trace.rewards + discount * trace.next_values(values) - values
    better = values + _backwards(discount * decay * c * _numbers(trace), rho * surprise)
    advantages = rho * (trace.rewards + discount * trace.next_values(better) - values)
    return Targets(better, advantages)


def _numbers(trace: Trace) -> Tensor:
    """Whether steps are joined as numbers of the rewards' precision, which γ then keeps."""
    return trace.joined.to(trace.rewards.dtype)


def _backwards(factor: Tensor, added: Tensor) -> Tensor:
    """h_t = factor_t h_{t+1} + added_t along the second axis, nothing behind the last step."""
    return affine_scan(factor.T, added.T, kind="diagonal", reverse=True).T
