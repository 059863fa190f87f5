from __future__ import annotations

import numpy as np
import pytest
import torch

from ostinato.core.errors import ArgumentError
from ostinato.tasks.rl.tensor_environment import TensorEnvironment


class Countdown(TensorEnvironment):
    """Shows how many steps are left; action 1 takes two of them."""

    name, observation_size, actions = "countdown", 1, 2

    def begin(self, episodes, generator):
        return {"left": torch.randint(3, 9, (episodes,), generator=generator)}

    def advance(self, world, action):
        left = world["left"] - 1 - action
        return {"left": left}, action.float(), left <= 0

    def observe(self, world):
        return world["left"][:, None].float()

    def frame(self):
        return np.zeros((1, 1, 3), dtype=np.uint8)


def test_where_an_episode_ends_the_next_begins_and_the_last_is_still_told():
    environment = Countdown(4, limit=100)
    left = environment.reset(0)[:, 0]
    for _ in range(20):
        t = environment.step(torch.zeros(4, dtype=torch.long))
        assert torch.equal(t.final_observation[:, 0], left - 1)
        assert torch.equal(t.terminated, left == 1)
        assert bool((t.observation[t.over] >= 3).all())
        left = t.observation[:, 0]


def test_a_limit_cuts_episodes_off_unless_they_end_there():
    environment = Countdown(50, limit=4)
    left = environment.reset(0)[:, 0]
    for _ in range(4):
        t = environment.step(torch.zeros(50, dtype=torch.long))
    # Those of three steps are in their second episode by now.
    assert torch.equal(t.terminated, left == 4)
    assert torch.equal(t.truncated, left > 4)
    assert set(t.lengths.tolist()) == {4}


def test_worlds_that_were_handed_out_do_not_change():
    environment = Countdown(3, limit=100)
    environment.reset(0)
    state = environment.state_dict()
    before = {name: value.clone() for name, value in state["world"].items()}
    for _ in range(10):
        environment.step(torch.ones(3, dtype=torch.long))
    assert torch.equal(state["world"]["left"], before["left"])
    assert state["lengths"].sum() == 0


@pytest.mark.parametrize(
    "action", [torch.tensor([0, 1]), torch.tensor([0, 1, 2]), torch.tensor([0.0, 1, 1])]
)
def test_actions_that_there_are_not(action):
    environment = Countdown(3, limit=9)
    environment.reset(0)
    with pytest.raises(ArgumentError, match=r"takes actions \(3,\) int64 from 0 to 1; got"):
        environment.step(action)


def test_states_and_steps_that_do_not_fit():
    with pytest.raises(ArgumentError, match="call reset"):
        Countdown(3, limit=9).step(torch.zeros(3, dtype=torch.long))
    small = Countdown(2, limit=9)
    small.reset(0)
    with pytest.raises(ArgumentError, match="of 2 environments, not of 3: make countdown with"):
        Countdown(3, limit=9).load_state_dict(small.state_dict())
