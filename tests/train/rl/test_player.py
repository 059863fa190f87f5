from __future__ import annotations

import torch

from ostinato.tasks.rl.t_maze import TMaze
from ostinato.train.rl.acting import Play
from ostinato.train.rl.player import Player
from ostinato.train.rl.policy import RecurrentPolicy
from ostinato.train.rl.scales import Scales


def test_it_plays_as_the_actor_acts(make_agent):
    """The same draws lead through the same episodes, resets and all."""
    agent = make_agent(steps=12)
    seed = agent._seed("actions")
    play = Play(Player(agent.policy, seed=seed), TMaze(6, 1, 5), agent._seed("environments"))
    segment, _ = agent.act()
    rewards = torch.stack([play.step().reward for _ in range(12)], 1)
    assert segment.begins[:, 1:].any()
    assert torch.equal(segment.trace.rewards, rewards)


def test_greedy_it_draws_nothing(make_layer):
    policy = RecurrentPolicy(make_layer(), 6, 4)
    with torch.no_grad():
        policy.policy.bias[2] = 0.5
    player, seen = Player(policy, greedy=True), torch.randn(9, 3)
    action, _ = player(seen, None, torch.ones(9, dtype=torch.bool), torch.zeros(9))
    assert action.tolist() == [2] * 9


def test_a_reward_is_read_as_in_training(make_layer):
    policy = RecurrentPolicy(make_layer(), 6, 4, Scales(3, reward_clip=1.0))
    known = []
    policy.step = lambda x, state: (known.append(x), RecurrentPolicy.step(policy, x, state))[1]
    player, never = Player(policy), torch.zeros(2, dtype=torch.bool)
    _, state = player(torch.zeros(2, 3), None, ~never, torch.zeros(2))
    player(torch.zeros(2, 3), state, never, torch.tensor([4.0, -0.1]))
    torch.testing.assert_close(known[1][:, -1], torch.tensor([1.0, -0.1]))
    assert known[1][:, 3:7].argmax(1).tolist() == state[1].tolist()
