from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.optimize import curve_fit

from ostinato.analysis import timescales as module
from ostinato.analysis.timescales import autocovariance, timescales
from ostinato.cells.leaky import LeakyCell
from ostinato.core.errors import ShapeError
from ostinato.over.time import RNN


def test_the_autocovariance_is_the_sum_over_pairs():
    x = torch.randn(3, 50, 2, dtype=torch.float64)
    centred = x - x.mean(1, keepdim=True)
    pairs = [(centred[:, : 50 - lag] * centred[:, lag:]).mean(1).mean(0) for lag in range(11)]
    torch.testing.assert_close(autocovariance(x, 10), torch.stack(pairs, 1))


def test_one_scale_and_two_are_told_apart():
    rng, lag = np.random.default_rng(0), np.arange(31)
    one = np.exp(-lag / 5) + 1e-4 * rng.standard_normal(31)
    two = 0.7 * np.exp(-lag / 2) + 0.3 * np.exp(-lag / 20) + 1e-4 * rng.standard_normal(31)
    assert module._better(curve_fit, one) == (pytest.approx(5, abs=0.01), 1)
    assert module._better(curve_fit, two) == (pytest.approx(20, abs=0.1), 2)


def test_units_without_recurrence_have_the_timescale_of_their_leak():
    torch.manual_seed(0)
    cell = LeakyCell(1, 3, form="outside", activation="identity")
    with torch.no_grad():
        cell.recur.weight.zero_()
        cell.tau.copy_(torch.tensor([2.0, 5.0, 10.0]))
        states = RNN(cell)(torch.randn(10, 8000, 1))[0]
    found = timescales(states, 20)
    expected = -1 / torch.log1p(-1 / cell.tau.detach().double())
    torch.testing.assert_close(found.tau, expected, rtol=0.1, atol=0)
    assert found.median == pytest.approx(float(found.tau[1]))
    assert found.plot().axes


def test_a_unit_that_never_changes_has_none():
    states = torch.randn(2, 100, 2)
    states[..., 1] = 0.5
    found = timescales(states)
    assert found.tau.isnan().tolist() == [False, True]
    assert found.scales[1] == 0
    assert found.median == found.tau[0]


def test_too_short_sequences_are_named():
    with pytest.raises(ShapeError, match=r"got \[2, 5, 3\]"):
        timescales(torch.randn(2, 5, 3))
