from __future__ import annotations

import torch

from ostinato.tasks.cart_pole import CartPole, CartPoleTask, Physics, expert
from ostinato.tasks.environment import returns


def seeded():
    return torch.Generator().manual_seed(0)


def test_small_swings_have_the_frequency_of_the_hanging_pole():
    # Around θ = π without force: θ̈ = −g δ / (l (4/3 − m / M)).
    physics, state = Physics(), torch.tensor([0.0, 0, torch.pi + 1e-3, 0], dtype=torch.float64)
    turned = physics.advance(state, torch.zeros((), dtype=torch.float64))[3] / 0.02
    expected = -9.8 * 1e-3 / (0.5 * (4 / 3 - 0.1 / 1.1))
    torch.testing.assert_close(float(turned), expected, rtol=1e-5, atol=0)


def test_a_push_moves_the_cart_on_and_the_pole_back():
    moved = Physics().advance(torch.zeros(4), torch.tensor(1.0))
    assert moved[1] > 0 > moved[3]
    torch.testing.assert_close(
        Physics(force=0.5).advance(torch.zeros(4), torch.tensor(1.0)), moved / 2
    )


def test_the_expert_keeps_the_pole_up_where_nobody_does_not():
    world = CartPole()
    kept = returns(lambda seen, state: (expert(world.state), None), world, 250, 50, seeded())
    assert kept.min() == 250
    left = returns(lambda seen, state: (torch.zeros(len(seen), 1), None), world, 250, 50, seeded())
    assert left.max() < 250


def test_only_positions_are_seen():
    world = CartPole(noise=0.0)
    seen = world.reset(6, seeded())
    torch.testing.assert_close(seen, world.state[:, [0, 2]] * torch.tensor([1.0, 5.0]))
    assert CartPole(noise=0.01).reset(6, seeded()).shape == (6, 2)


def test_a_row_that_is_over_stays_where_it_is():
    world = CartPole()
    world.reset(1, seeded())
    world.state[:] = torch.tensor([0.0, 0, 0.7, 5])
    _, reward, over = world.step(torch.ones(1, 1))
    assert (float(reward), bool(over)) == (0, True)
    assert float(world.state[0, 2]) == torch.tensor(0.7)


def test_demonstrations_are_bounded_and_labels_without_noise():
    task = CartPoleTask(20)
    batch = task.batch(0, 20)
    assert batch.inputs.shape == (20, 100, 2)
    assert float(batch.targets.abs().max()) <= 1
    # Labels are a linear function of the state, so they vary as smoothly as the pole moves.
    assert float(batch.targets.diff(dim=1).abs().mean()) < 0.15
    assert next(iter(task.environments())) == "as trained"
