"""Lorenz-96, as the experiment on DEER evaluates it."""

from __future__ import annotations

import math

import pytest
import torch

from ostinato.engines.parallel.newton import Outcome, Solve
from ostinato.experiments import deer_lorenz
from ostinato.experiments.deer_lorenz import Lorenz96, Size, errors_of, lorenz_96, on_attractor


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


@pytest.fixture(scope="module")
def measured():
    return deer_lorenz.measure(Size(steps=60, marks=5), 1, lambda items, text: items)


def test_every_method_ends_at_the_truth(measured):
    assert set(measured.values) == set(deer_lorenz.CLAIMS)
    for claim in (deer_lorenz.SOLVED, deer_lorenz.EXACT, deer_lorenz.HALF):
        assert claim.row(measured.values[claim]).holds
    assert measured.values[deer_lorenz.BOUNDED][0] > 0


def test_curves_fall(measured):
    (panel,) = measured.panels
    assert [curve.label for curve in panel.curves] == ["Newton", "quasi-Newton", "ELK", "quasi-ELK"]
    for curve in panel.curves:
        assert curve.runs[0][0] > 0 > -6 > curve.runs[0][-1]
        assert len(curve.runs[0]) == len(curve.x)


def test_what_is_no_number_is_far_away():
    truth = torch.zeros(3, 1, 5)
    trace = (truth + math.nan, truth + 2, truth)
    found = Solve(Outcome.CONVERGED, (1.0, 1.0, 0.0), trace=trace)
    assert errors_of(truth, found) == [1e308, 10, 1e-16]
