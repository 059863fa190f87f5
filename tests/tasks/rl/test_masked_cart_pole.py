from __future__ import annotations

import pytest
import torch

from ostinato.tasks.rl.masked_cart_pole import MaskedCartPole


def test_velocities_are_hidden_unless_asked_for():
    masked, whole = MaskedCartPole(5), MaskedCartPole(5, velocities=True)
    assert torch.equal(masked.reset(0), whole.reset(0)[:, [0, 2]])
    assert (masked.observation_size, whole.observation_size) == (2, 4)


def test_the_world_is_that_of_gymnasium_step_by_step():
    gymnasium = pytest.importorskip("gymnasium")
    generator, steps = torch.Generator().manual_seed(0), 0
    environment = MaskedCartPole(8, velocities=True)
    environment.reset(1)
    theirs = [gymnasium.make("CartPole-v1") for _ in range(8)]
    for row, world in enumerate(theirs):
        world.reset()
        world.unwrapped.state = environment.world["state"][row].numpy().copy()
    under_way = torch.ones(8, dtype=torch.bool)
    while under_way.any():
        action = torch.randint(2, (8,), generator=generator)
        t = environment.step(action)
        for row in under_way.nonzero()[:, 0].tolist():
            seen, reward, ended, cut, _ = theirs[row].step(int(action[row]))
            error = abs(torch.as_tensor(seen) - t.final_observation[row]).max()
            # Both round to single precision, from states that agree to 1e-13.
            assert error <= 2e-7 * max(1.0, abs(seen).max()), (steps, row)
            found = (float(t.reward[row]), bool(t.terminated[row]), bool(t.truncated[row]))
            assert found == (reward, ended, cut)
            if not ended:
                state = torch.as_tensor(theirs[row].unwrapped.state)
                torch.testing.assert_close(
                    environment.world["state"][row], state, rtol=0, atol=1e-13
                )
        under_way &= ~t.over
        steps += 1
    assert steps > 20


def test_a_balanced_pole_is_cut_off_after_500_steps():
    environment = MaskedCartPole(2, velocities=True)
    seen = environment.reset(0)
    gain = torch.tensor([0.5, 0.8, 10.0, 2.0])
    for step in range(500):
        t = environment.step((seen @ gain > 0).long())
        seen = t.observation
        assert bool(t.over.any()) == (step == 499)
    assert t.truncated.all()
    assert t.returns.tolist() == [500, 500]
