from __future__ import annotations

import pytest
import torch

from ostinato.core.errors import ArgumentError
from ostinato.tasks.rl.t_maze import TMaze
from ostinato.train.rl import build
from ostinato.train.rl.a2c import A2C
from ostinato.train.rl.build import build_agent, build_algorithm
from ostinato.train.rl.config import AgentConfig
from ostinato.train.rl.ppo import PPO


def test_what_is_left_open_is_as_it_was_published():
    assert build_algorithm(AgentConfig()) == A2C()
    assert build_algorithm(AgentConfig(algorithm="ppo")) == PPO()
    made = build_algorithm(
        AgentConfig(algorithm="ppo", discount=0.5, trace_decay=0.0, epochs=2, ratio_clip=0.3)
    )
    assert made == PPO(discount=0.5, trace_decay=0.0, epochs=2, ratio_clip=0.3)


def test_an_agent_is_a_function_of_its_configuration():
    torch.manual_seed(1)
    first, second = (
        build_agent(AgentConfig(environments=2, hidden_size=5, layers=2), TMaze(2)) for _ in "12"
    )
    torch.testing.assert_close(first.policy.state_dict(), second.policy.state_dict())
    assert first.steps == 16
    assert first.clip.limit == 40
    assert first.policy.policy.weight.shape == (4, 5)
    assert torch.equal(first.actor.x, second.actor.x)


def test_what_cannot_be_paid_is_refused_before_it_begins(monkeypatch):
    monkeypatch.setattr(build, "_MOST", 2**20)
    dense = AgentConfig(environments=4, cell="GRU", learner="rtrl", hidden_size=32)
    with pytest.raises(ArgumentError, match=r"RTRL of GRU would carry .* GiB.*--cell ELSTM"):
        build_agent(dense, TMaze(4))
    assert build_agent(AgentConfig(environments=4, cell="GRU"), TMaze(4))
