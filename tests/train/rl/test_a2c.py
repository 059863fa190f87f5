from __future__ import annotations

import torch

from ostinato.train.rl.a2c import A2C
from ostinato.train.rl.policy import Judgement
from ostinato.train.rl.targets import n_step_returns


def test_the_loss_is_the_papers(make_agent):
    agent = make_agent()
    segment, _ = agent.act()
    hidden, _ = agent.learner(segment.x, resets=segment.begins)
    judged = agent.policy.judge(hidden)
    loss = A2C(discount=0.9, entropy=0.1, value=0.5).loss(judged, segment)
    returns = n_step_returns(segment.trace, 0.9)
    advantages = returns - judged.values.detach()
    policy = -(judged.of(segment.actions) * advantages).sum()
    value = 0.5 * (returns - judged.values).square().sum()
    torch.testing.assert_close(loss.policy, policy)
    torch.testing.assert_close(loss.value, value)
    torch.testing.assert_close(loss.total, policy + 0.5 * value - 0.1 * judged.entropy.sum())
    assert loss.divergence < 1e-6


def test_nothing_is_learned_from_targets(make_agent):
    segment, _ = make_agent().act()
    logits = torch.zeros(6, 7, 4, requires_grad=True)
    values = torch.zeros(6, 7, requires_grad=True)
    loss = A2C(entropy=0.0, value=1.0).loss(Judgement(logits.log_softmax(-1), values), segment)
    (gradient,) = torch.autograd.grad(loss.total, values)
    # ∂/∂V of ½ (v − V)²: what v itself says of V is not followed.
    with torch.no_grad():
        expected = values - n_step_returns(segment.trace, 0.99)
    torch.testing.assert_close(gradient, expected, atol=1e-3, rtol=1e-3)
