"""What the experiment on DEER measures on networks."""

from __future__ import annotations

import logging
import math

import pytest
import torch

import ostinato as ost
from ostinato.engines.parallel.newton import Outcome, Solve
from ostinato.experiments.deer_networks import (
    Network,
    draw_sine,
    error_of_fallback,
    error_of_gradient,
    left_by_damping,
    needed,
    order_of_convergence,
    solve,
)


def test_gain_is_the_scale_of_the_matrix():
    weight = Network.draw(2.0, 200, 1).cell.recur.weight.detach()
    assert float(weight.std()) * math.sqrt(200) == pytest.approx(2, rel=0.02)


def test_what_is_not_solved_counts_as_the_cap():
    unsolved = Solve(Outcome.STALLED, (1.0, 0.5, 0.5))
    assert needed(unsolved, 40) == 40
    assert needed(Solve(Outcome.CONVERGED, (1.0, 0.1, 0.0)), 40) == 2


def test_chaos_falls_back_to_the_right_values(caplog):
    unsolved, error = error_of_fallback(Network.draw(3.0, 16, 512))
    assert unsolved
    assert error == 0
    assert not caplog.text
    assert not logging.getLogger("ostinato").disabled
    solved, error = error_of_fallback(Network.draw(0.5, 16, 64))
    assert not solved
    assert error < 1e-10


def test_newton_is_quadratic_and_gradients_are_exact():
    assert order_of_convergence() > 1.7
    assert error_of_gradient() < 1e-10


def test_damping_helps_on_the_edge_of_chaos():
    assert left_by_damping(6) < 0.5


def test_an_oscillator_reads_its_own_output():
    cell = draw_sine(1)
    y, _ = ost.RNN(cell)(torch.zeros(1, 5, 1))
    h = cell.initial_state(1)
    for t in range(5):
        out = cell.readout(h)
        torch.testing.assert_close(y[:, t], out)
        h = cell.gru(out, h)[1]


def test_an_oscillator_learns_to_draw():
    target = torch.sin(2 * math.pi / 20 * torch.arange(100))[None, :, None]
    gaps = [
        float((ost.RNN(draw_sine(n))(torch.zeros(1, 100, 1))[0] - target).detach().square().mean())
        for n in (1, 300)
    ]
    assert gaps[1] < 0.2 < gaps[0]


def test_all_steps_are_one_window():
    net = Network.draw(0.5, 4, 300)
    found = solve(net.cell, net.x, method="quasi", tolerance=1e-8)
    assert (found.first, found.steps) == (0, 300)
