from __future__ import annotations

import numpy as np
import pytest
import torch

from ostinato.core.errors import ArgumentError, MissingExtraError
from ostinato.tasks.rl.gymnasium_vector import GymnasiumVectorEnvironment
from ostinato.tasks.rl.vector_environment import NoPictureError

gymnasium = pytest.importorskip("gymnasium")


class Counter(gymnasium.Env):
    """Counts its steps from a random start; action 5 ends an episode, ten steps cut it off."""

    observation_space = gymnasium.spaces.Box(0, 1e6, (2,), np.float32)
    action_space = gymnasium.spaces.Discrete(3, start=4)
    metadata = {"render_modes": ["rgb_array"]}  # noqa: RUF012

    def __init__(self, render_mode="rgb_array"):
        self.render_mode = render_mode

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.begun, self.count = int(self.np_random.integers(1000)), 0
        return self._seen(), {}

    def step(self, action):
        self.count += 1
        return self._seen(), float(action), action == 5, self.count == 10, {"a": 1}

    def render(self):
        return np.full((2, 3, 3), self.count, dtype=np.uint8)

    def _seen(self):
        return np.array([self.begun, self.count], dtype=np.float32)


def counters(number, mode="SameStep", **options):
    worlds = gymnasium.vector.SyncVectorEnv([Counter] * number, autoreset_mode=mode)
    return GymnasiumVectorEnvironment(worlds, "counter", **options)


def test_actions_begin_where_the_space_does():
    environment = counters(3)
    environment.reset(0)
    t = environment.step(torch.tensor([0, 2, 1]))
    assert environment.actions == 3
    assert t.reward.tolist() == [4, 6, 5]
    assert t.terminated.tolist() == [False, False, True]


def test_the_last_observation_is_told_where_the_next_episode_begins():
    environment = counters(3)
    first = environment.reset(0)
    t = environment.step(torch.tensor([0, 1, 0]))
    assert t.observation[:, 1].tolist() == [1, 0, 1]
    assert t.final_observation[:, 1].tolist() == [1, 1, 1]
    assert torch.equal(t.final_observation[:, 0], first[:, 0])
    assert (t.returns.tolist(), t.lengths.tolist()) == ([5], [1])
    for _ in range(8):
        t = environment.step(torch.zeros(3, dtype=torch.long))
        assert not t.over.any()
    t = environment.step(torch.zeros(3, dtype=torch.long))
    assert t.truncated.tolist() == [True, False, True]
    assert t.final_observation[:, 1].tolist() == [10, 9, 10]
    assert t.returns.tolist() == [40, 40]


def test_an_episode_that_ends_at_the_limit_is_not_cut_off():
    environment = counters(1)
    environment.reset(0)
    for _ in range(9):
        environment.step(torch.tensor([0]))
    t = environment.step(torch.tensor([1]))
    assert (t.terminated.tolist(), t.truncated.tolist()) == ([True], [False])


def test_seeds_give_every_environment_an_episode_of_its_own():
    starts = [counters(4).reset(seed)[:, 0].tolist() for seed in (0, 0, 1)]
    assert starts[0] == starts[1]
    assert len({*starts[0], *starts[2]}) == 8


def test_a_frame_is_the_picture_of_the_first():
    environment = counters(2)
    environment.reset(0)
    environment.step(torch.tensor([0, 1]))
    assert environment.frame().tolist() == [[[1] * 3] * 3] * 2
    environment.worlds.render_mode = None
    with pytest.raises(NoPictureError, match=r"counter draws no pictures.* and has None"):
        environment.frame()


def test_a_picture_that_needs_another_library(monkeypatch):
    def missing(self):
        raise gymnasium.error.DependencyNotInstalled("pygame is not installed")

    monkeypatch.setattr(Counter, "render", missing)
    with pytest.raises(MissingExtraError, match="picture of counter needs more: pygame is not"):
        counters(1).frame()


@pytest.mark.parametrize("mode", ["NextStep", "Disabled"])
def test_episodes_that_begin_at_another_time(mode):
    with pytest.raises(ArgumentError, match=r"AutoresetMode.SAME_STEP; got AutoresetMode"):
        counters(2, mode)


def test_actions_that_are_no_choice():
    worlds = gymnasium.make_vec(
        "Pendulum-v1", 1, "sync", vector_kwargs={"autoreset_mode": "SameStep"}
    )
    with pytest.raises(ArgumentError, match="actions must be Discrete; got Box"):
        GymnasiumVectorEnvironment(worlds, "pendulum")


@pytest.mark.slow
def test_processes_instead_of_one():
    worlds = gymnasium.vector.AsyncVectorEnv([Counter] * 2, autoreset_mode="SameStep")
    environment = GymnasiumVectorEnvironment(worlds, "counter")
    try:
        assert torch.equal(environment.reset(0), counters(2).reset(0))
        t = environment.step(torch.tensor([1, 0]))
        assert t.final_observation[:, 1].tolist() == [1, 1]
    finally:
        environment.close()
