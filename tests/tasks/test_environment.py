from __future__ import annotations

import pytest
import torch

from ostinato.core.errors import ArgumentError
from ostinato.tasks.environment import Environment, Perturbed, returns


class Counter(Environment):
    """Shows how many steps went by; row k is over after k + 1 of them; each brings the action."""

    def reset(self, rows, generator):
        self.rows, self.count = rows, 0
        return self._seen()

    def step(self, actions):
        self.count += 1
        over = self.count > torch.arange(self.rows)
        return self._seen(), actions[:, 0], over

    def _seen(self):
        return torch.full((self.rows, 1), float(self.count))


def echo(observation, state):
    """Acts as it sees, and remembers all."""
    return observation, [*(state or []), observation]


def seeded():
    return torch.Generator().manual_seed(0)


def test_rewards_count_until_an_episode_is_over():
    # Row k acts 0, 1, …, k, and the step that ends it counts.
    assert returns(echo, Counter(), 10, 4, seeded()).tolist() == [0, 1, 3, 6]
    assert returns(echo, Counter(), 2, 4, seeded()).tolist() == [0, 1, 1, 1]


def test_late_observations():
    world = Perturbed(Counter(), delay=2)
    seen = [world.reset(1, seeded())]
    seen += [world.step(torch.zeros(1, 1))[0] for _ in range(4)]
    assert [float(each) for each in seen] == [0, 0, 0, 1, 2]


def test_noise_and_missing_observations():
    world = Perturbed(Counter(), noise=0.5)
    assert float((world.reset(4000, seeded())).std()) == pytest.approx(0.5, rel=0.05)
    world = Perturbed(Counter(), occlusion=0.3)
    world.reset(4000, seeded())
    dark = (world.step(torch.zeros(4000, 1))[0] == 0).float().mean()
    assert float(dark) == pytest.approx(0.3, abs=0.03)


def test_a_new_episode_has_nothing_of_the_last():
    world = Perturbed(Counter(), delay=1)
    world.reset(1, seeded())
    world.step(torch.zeros(1, 1))
    assert float(world.reset(1, seeded())) == 0
    assert float(world.step(torch.zeros(1, 1))[0]) == 0


@pytest.mark.parametrize("wrong", [{"noise": -1}, {"occlusion": 1.5}, {"delay": -1}])
def test_what_cannot_be(wrong):
    with pytest.raises(ArgumentError, match=f"{next(iter(wrong))}={next(iter(wrong.values()))}"):
        Perturbed(Counter(), **wrong)
