"""Parity, in the experiment on ParaRNN."""

from __future__ import annotations

import pytest

from ostinato.experiments import pararnn_parity
from ostinato.experiments.experiment import silent
from ostinato.experiments.pararnn_parity import Size


def test_before_training_it_is_chance_and_newton_is_fast(monkeypatch):
    monkeypatch.setattr(pararnn_parity, "LENGTHS", (4, 9, 20))
    found = pararnn_parity.measure(Size(updates=1), 1, silent)
    assert set(found.values) == set(pararnn_parity.CLAIMS)
    for claim in (*pararnn_parity.SOLVED.values(), *pararnn_parity.LINEAR.values()):
        assert found.values[claim][0] == pytest.approx(50, abs=8)
    assert found.values[pararnn_parity.MANY][0] < 10
    losses, iterations = found.panels
    assert [curve.label for curve in losses.curves] == [
        "ParaGRU", "ParaGRU, a = 0", "ParaLSTM", "ParaLSTM, a = 0",
    ]  # fmt: skip
    assert [curve.x for curve in iterations.curves] == [(4, 9, 20)] * 2


def test_a_trained_switch_takes_more_iterations_the_longer_the_sequence(monkeypatch):
    monkeypatch.setattr(pararnn_parity, "LENGTHS", (16, 64))
    net, losses = pararnn_parity._train("ParaGRU", False, 0, 300, silent)
    assert losses[-1] < 0.1
    assert pararnn_parity._accuracy(net, 0, (32,)) > 95
    short, long = pararnn_parity._study("ParaGRU", net, 0)["ParaGRU, float64"]
    assert long.iterations > 1.5 * short.iterations > 6
    assert max(short.error, long.error) < 1e-9
