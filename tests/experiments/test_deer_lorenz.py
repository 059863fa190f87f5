"""Lorenz-96, as the experiment on DEER evaluates it."""

from __future__ import annotations

import math

import torch

from ostinato.engines.parallel.newton import Outcome, Solve
from ostinato.experiments.deer_lorenz import Lorenz96, errors_of, lorenz_96, on_attractor


def test_the_equation():
    y = torch.tensor([[1.0, 2.0, 3.0, 4.0, 6.0]])
    # (y_{i+1} − y_{i−2}) y_{i−1} − y_i + 8, by hand.
    expected = [(2 - 4) * 6 - 1, (3 - 6) * 1 - 2, (4 - 1) * 2 - 3, (6 - 2) * 3 - 4, (1 - 3) * 4 - 6]
    assert Lorenz96()(y).tolist() == [[8 + each for each in expected]]


def test_nothing_moves_where_all_are_the_forcing():
    rest = torch.full((1, 5), 8.0)
    assert Lorenz96()(rest).abs().max() == 0


def test_it_is_on_the_attractor():
    torch.manual_seed(0)
    begin = on_attractor(lorenz_96())
    assert float((begin - 8).abs().max()) > 1
    assert float(begin.abs().max()) < 15


def test_what_is_no_number_is_far_away():
    truth = torch.zeros(3, 1, 5)
    trace = (truth + math.nan, truth + 2, truth)
    found = Solve(Outcome.CONVERGED, (1.0, 1.0, 0.0), trace=trace)
    assert errors_of(truth, found) == [1e308, 10, 1e-16]
