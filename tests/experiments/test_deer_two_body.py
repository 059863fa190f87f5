"""Two bodies, as the experiment on DEER learns them."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from ostinato.experiments.deer_two_body import Hamiltonian, Size, WarmStart, by_steps, error, learn
from ostinato.tasks.two_body import Orbits

TIMES = torch.linspace(0, 1, 60, dtype=torch.float64)
SIZE = Size(orbits=8, points=60, updates=8, width=8, rate=3e-2)


@pytest.fixture
def states():
    return Orbits.draw(torch.Generator().manual_seed(0), 8).at(TIMES)


def field(depth=1):
    torch.manual_seed(0)
    return Hamiltonian(8, depth).double()


@pytest.mark.parametrize("depth", [1, 3])
def test_the_field_is_the_turned_gradient_of_the_energy(depth):
    net, y = field(depth), torch.randn(5, 8, dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(net.energy(y).sum(), y)
    torch.testing.assert_close(net(y), torch.cat([gradient[:, 4:], -gradient[:, :4]], 1))


def test_both_solvers_train_alike(states):
    warm, parallel, stepwise = WarmStart(), field(), field()
    by_newton = learn(parallel, warm, states, TIMES, SIZE)
    losses = learn(stepwise, by_steps("reference"), states, TIMES, SIZE)
    assert by_newton == pytest.approx(losses, abs=1e-4)
    assert error(parallel, states, TIMES) < 0.95 * error(field(), states, TIMES)


def test_samples_that_come_again_take_fewer_iterations(states):
    warm = WarmStart()
    learn(field(), warm, states, TIMES, replace(SIZE, updates=6, rate=1e-4))
    # The first update knows of no sample, later ones do.
    assert warm.warm[0] == warm.cold[0]
    assert warm.warm[-1] < warm.cold[-1]
    assert len(warm.warm) == 2
