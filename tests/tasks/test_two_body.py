import pytest
import torch

from ostinato.core.errors import ArgumentError
from ostinato.tasks.two_body import Orbits, TwoBodyTask


def orbits(count=20):
    return Orbits.draw(torch.Generator().manual_seed(0), count)


def test_they_move_as_the_equation_says():
    width = 1e-4
    before, now, after = orbits().at(1.0 + width * torch.tensor([-1, 0, 1], dtype=torch.float64))
    change = (after - before) / (2 * width)
    first, second = now[:, :2], now[:, 2:4]
    apart = second - first
    pull = apart / apart.norm(dim=1, keepdim=True) ** 3
    expected = torch.cat([now[:, 4:], pull, -pull], 1)
    torch.testing.assert_close(change, expected, rtol=1e-6, atol=1e-6)


def test_energy_stays():
    states = orbits().at(torch.linspace(0, 50, 200, dtype=torch.float64))
    distance = (states[..., :2] - states[..., 2:4]).norm(dim=-1)
    energy = states[..., 4:].square().sum(-1) / 2 - 1 / distance
    assert float((energy - energy[0]).abs().max()) < 1e-12


def test_they_begin_as_drawn():
    drawn = orbits()
    (begin,) = drawn.at(torch.zeros(1))
    place = drawn.radius * torch.stack([drawn.angle.cos(), drawn.angle.sin()])
    speed = drawn.share / (2 * drawn.radius.sqrt())
    across = speed * torch.stack([-drawn.angle.sin(), drawn.angle.cos()])
    expected = torch.cat([place, -place, across, -across])
    torch.testing.assert_close(begin, expected.T)


def test_a_circle():
    one = torch.ones(1, dtype=torch.float64)
    states = Orbits(one, 0 * one, one).at(torch.linspace(0, 20, 50, dtype=torch.float64))
    assert states[..., :2].norm(dim=-1).allclose(one)


def test_targets_are_the_next_inputs():
    task = TwoBodyTask(steps=20, end=2.0, held_out_sequences=5)
    batch = task.batch(0, 3)
    assert batch.inputs.shape == (3, 20, 8)
    assert torch.equal(batch.inputs[:, 1:], batch.targets[:, :-1])
    facts = task.describe()
    (valid,) = task.held_out("valid", 5)
    right, count = task.score(valid.inputs, valid)
    assert facts["delta"] == 0.1
    assert facts["nothing_moves"] == pytest.approx(right / count)


def test_options_are_checked():
    with pytest.raises(ArgumentError, match="steps must be at least 1"):
        TwoBodyTask(steps=0)
    with pytest.raises(ArgumentError, match="end must be at least 0"):
        TwoBodyTask(end=-1)
