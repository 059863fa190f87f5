from __future__ import annotations

import pytest
import torch

from ostinato.train.rl.policy import Judgement
from ostinato.train.rl.ppo import PPO
from ostinato.train.rl.targets import generalized_advantages


@pytest.fixture
def segment(make_agent):
    return make_agent().act()[0]


def judged_as(segment, ratio):
    """What a policy would say that is so much likelier to do what was done."""
    shares = torch.full((*segment.actions.shape, 4), 1e-9)
    likely = (segment.log_probabilities.exp() * ratio)[..., None]
    shares = shares.scatter(-1, segment.actions[..., None], likely)
    return Judgement(shares.log(), segment.values)


def test_without_a_change_the_loss_is_that_of_the_advantages(segment):
    algorithm = PPO()
    loss = algorithm.loss(judged_as(segment, 1.0), segment)
    # advantages made standard have mean 0
    assert abs(float(loss.policy)) < 1e-6
    found = generalized_advantages(segment.trace, segment.values, 0.99, 0.95)
    torch.testing.assert_close(loss.value, found.advantages.square().mean() / 2)
    assert abs(float(loss.divergence)) < 1e-6


def test_beyond_the_clip_only_losses_count(segment):
    algorithm = PPO(ratio_clip=0.2)
    advantages = generalized_advantages(segment.trace, segment.values, 0.99, 0.95).advantages
    a = (advantages - advantages.mean()) / advantages.std(correction=0)
    for ratio in (0.5, 1.5):
        loss = algorithm.loss(judged_as(segment, ratio), segment)
        near = min(max(ratio, 0.8), 1.2)
        expected = -torch.where(a * ratio < a * near, a * ratio, a * near).mean()
        torch.testing.assert_close(loss.policy, expected, atol=1e-5, rtol=1e-4)
        assert loss.divergence > 0.05


@pytest.mark.parametrize("learner", ["tbptt", "rtrl"])
def test_before_the_first_update_nothing_has_changed_across_resets(make_agent, learner):
    agent = make_agent(learner, PPO(), dtype=torch.float64)
    agent.learn()
    before = agent.carried
    segment, _ = agent.act()
    assert segment.begins[:, 1:].any()
    hidden, _ = agent.learner(segment.x, before, resets=segment.begins)
    judged = agent.policy.judge(hidden)
    ratio = (judged.of(segment.actions) - segment.log_probabilities).exp()
    torch.testing.assert_close(ratio, torch.ones_like(ratio), rtol=0, atol=1e-12)
