from __future__ import annotations

import pytest
import torch

from ostinato.core.errors import ArgumentError
from ostinato.tasks.environment import returns
from ostinato.tasks.gymnasium_control import GymnasiumEnvironment, GymnasiumTask, lean, swing_up

pytest.importorskip("gymnasium")


def seeded():
    return torch.Generator().manual_seed(0)


@pytest.mark.parametrize(
    ("name", "expert", "least"), [("CartPole-v1", lean, 100), ("Pendulum-v1", swing_up, -600)]
)
def test_experts_are_better_than_doing_nothing(name, expert, least):
    world = GymnasiumEnvironment(name)
    good = returns(lambda seen, state: (expert(seen), None), world, 100, 4, seeded())
    idle = returns(lambda seen, state: (torch.zeros(4, 1), None), world, 100, 4, seeded())
    assert good.mean() >= least
    assert good.mean() > idle.mean()


def test_seeds_and_what_is_hidden():
    world = GymnasiumEnvironment("CartPole-v1", visible=(0, 2))
    seen = world.reset(3, seeded())
    assert torch.equal(seen, world.whole[:, [0, 2]])
    assert torch.equal(seen, GymnasiumEnvironment("CartPole-v1", (0, 2)).reset(3, seeded()))


def test_the_world_can_be_changed():
    usual, heavy = (
        GymnasiumEnvironment("CartPole-v1", changes=changes) for changes in ({}, {"gravity": 40.0})
    )
    for world in (usual, heavy):
        world.reset(2, seeded())
    push = torch.ones(2, 1)
    assert not torch.equal(usual.step(push)[0], heavy.step(push)[0])
    with pytest.raises(ArgumentError, match=r"no 'gravitation'. Did you mean 'gravity'"):
        GymnasiumEnvironment("CartPole-v1", changes={"gravitation": 1.0}).reset(1, seeded())


def test_demonstrations():
    task = GymnasiumTask("Pendulum-v1", demonstrations=5)
    batch = task.batch(0, 5)
    assert (batch.inputs.shape, batch.targets.shape) == ((5, 100, 2), (5, 100, 1))
    assert torch.isfinite(task.loss(torch.zeros(5, 100, 1), batch))
    assert task.environments()["as trained"].reset(2, seeded()).shape == (2, 2)


def test_an_environment_without_an_expert():
    with pytest.raises(ArgumentError, match=r"no scripted expert for 'Pendulum-v0'.*Did you mean"):
        GymnasiumTask("Pendulum-v0")
