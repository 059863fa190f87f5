from __future__ import annotations

import pytest
import torch

from ostinato.core.errors import ArgumentError
from ostinato.tasks.rl import make_environment
from ostinato.tasks.rl.tensor_environment import TensorEnvironment
from ostinato.train.rl.evaluation import Evaluation, evaluate, interval_over_seeds


class ShortOrLong(TensorEnvironment):
    """Half of the episodes have 1 step and half 19; the return is the number of steps."""

    name, observation_size, actions = "short_or_long", 1, 1

    def begin(self, episodes, generator):
        return {"left": 1 + 18 * torch.randint(2, (episodes,), generator=generator)}

    def advance(self, world, action):
        left = world["left"] - 1
        return {"left": left}, torch.ones(len(left)), left == 0

    def observe(self, world):
        return world["left"][:, None].float()

    def frame(self):
        raise NotImplementedError


def idle(observation, state, begin, reward):
    return torch.zeros(len(observation), dtype=torch.long), state


def remembering(observation, state, begin, reward):
    """Walks to the end of the maze and takes the side of the sign that it saw."""
    sign = observation[:, 0] if state is None else torch.where(begin, observation[:, 0], state)
    junction = observation.eq(torch.tensor([0.0, 1, 0])).all(1)
    return torch.where(junction, 2 * sign.long(), 1), sign


def test_short_episodes_are_not_preferred():
    found = evaluate(idle, ShortOrLong(50, limit=100), episodes=500)
    assert found.returns.shape == found.lengths.shape == (50, 10)
    # Those that end first are short: of the first 500 that end anywhere, far more than half.
    assert abs(found.mean - 10) < 4 * 9 / 500**0.5
    low, high = found.interval()
    assert low < found.mean < high < 12


def test_a_policy_that_remembers_the_sign_earns_four():
    found = evaluate(remembering, make_environment("t_maze", 7, length=6), episodes=20)
    assert found.returns.unique().tolist() == [4]
    assert found.lengths.unique().tolist() == [7]
    assert found.returns.shape == (7, 3)
    assert str(found) == "4 [4, 4] in 21 episodes"


def test_a_seed_gives_the_same_episodes():
    def played(seed):
        return evaluate(idle, make_environment("masked_cart_pole", 4), 8, seed).lengths

    assert torch.equal(played(1), played(1))
    assert not torch.equal(played(1), played(2))


def test_runs_are_drawn_first():
    runs = [Evaluation(torch.full((2, 3), float(k)), torch.ones(2, 3)) for k in range(4)]
    low, high = interval_over_seeds(runs)
    assert 0.4 < low < 1.5 < high < 2.6
    with pytest.raises(ArgumentError, match=r"same number of episodes each; got \[1, 6\]"):
        interval_over_seeds([*runs, Evaluation(torch.ones(1, 1), torch.ones(1, 1))])


def test_no_episodes():
    with pytest.raises(ArgumentError, match="episodes must be at least 1"):
        evaluate(idle, ShortOrLong(2, limit=3), episodes=0)
