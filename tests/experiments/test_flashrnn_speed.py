"""Times, in the experiment on FlashRNN."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from ostinato.core.errors import EngineError
from ostinato.experiments import flashrnn_speed
from ostinato.experiments.experiment import silent
from ostinato.experiments.flashrnn_speed import BEST, CLAIMS, TORCH, WORST, Size

SMALL = Size(head_sizes=(8, 16), steps=4, batch=2, hidden=16)


def side(layer):
    return "nn.LSTM" if isinstance(layer, nn.LSTM) else layer.engine


@pytest.fixture
def clocked(monkeypatch):
    """Times that are known: the plain loop takes as many seconds as a head has units."""
    monkeypatch.setattr(flashrnn_speed, "HEAD", 8)
    monkeypatch.setattr(flashrnn_speed, "_error", lambda layers, size: 0.0)

    def passed(layer, x, mode):
        known = {"reference": 0, "fused": 2.0, "nn.LSTM": 1.0}
        return known[side(layer)] or layer.cell.hidden_size / getattr(layer.cell, "heads", 1)

    monkeypatch.setattr(flashrnn_speed, "_pass", passed)


def test_ratios_are_those_of_the_best_and_the_worst_head_size(clocked):
    found = flashrnn_speed.measure(SMALL, 2, silent)
    assert set(found.values) == set(CLAIMS)
    assert found.values[BEST] == [8, 8]
    assert found.values[WORST] == [4, 4]
    assert found.values[TORCH] == [0.5, 0.5]
    forward, both = found.panels
    assert [curve.label for curve in forward.curves] == ["plain loop", "generated loop"]
    assert both.curves[0].x == [3, 4]
    assert 10 ** both.curves[0].runs[0][1] == pytest.approx(16_000)


def test_a_size_that_is_declined_makes_the_claim_about_all_sizes_fail(clocked, monkeypatch):
    known = flashrnn_speed._pass

    def passed(layer, x, mode):
        declined = side(layer) == "fused" and getattr(layer.cell, "heads", 1) == 1
        return math.nan if declined else known(layer, x, mode)

    monkeypatch.setattr(flashrnn_speed, "_pass", passed)
    values = flashrnn_speed.measure(SMALL, 1, silent).values
    assert values[BEST] == [4]
    assert math.isnan(values[WORST][0])
    assert not WORST.row(values[WORST]).holds


@pytest.mark.parametrize("error", [EngineError("no"), torch.OutOfMemoryError("17 GiB")])
def test_a_pass_is_timed_or_not_a_number(error):
    class Declined(nn.Module):
        def forward(self, x):
            raise error

    layers, x = flashrnn_speed._layers("GRU", SMALL, 8, "cpu"), torch.randn(2, 4, 48)
    x.requires_grad_()
    for mode in flashrnn_speed.MODES:
        assert flashrnn_speed._pass(layers["plain loop"], x, mode) > 0
        assert math.isnan(flashrnn_speed._pass(Declined(), x, mode))


def test_the_error_is_that_of_float32_and_sees_a_wrong_loop():
    torch.manual_seed(0)
    layers = flashrnn_speed._layers("LSTM", SMALL, 8, "cpu")
    assert 0 < flashrnn_speed._error(layers, SMALL) < 1e-6
    other = flashrnn_speed._layers("LSTM", SMALL, 8, "cpu")["plain loop"]
    layers["generated loop"].float()
    assert flashrnn_speed._error({**layers, "plain loop": other}, SMALL) > 1e-3


def test_both_sides_are_one_cell_of_pre_activations():
    layers = flashrnn_speed._layers("SLSTM", SMALL, 8, "cpu")
    assert layers["plain loop"].cell is layers["generated loop"].cell
    assert layers["plain loop"].cell.recur.weight.any()
    assert flashrnn_speed._input(layers, SMALL, "cpu").shape == (2, 4, 64)
