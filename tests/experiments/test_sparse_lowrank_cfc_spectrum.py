from __future__ import annotations

import math

import pytest

from ostinato.experiments import sparse_lowrank_cfc_spectrum as spectrum
from ostinato.experiments.experiment import silent


def test_every_kind_is_drawn_and_the_law_is_near():
    found = spectrum.measure(spectrum.Size(units=64, draws=2), 2, silent)
    assert all(value < 25 for value in found.values[spectrum.LAW])
    (panel,) = found.panels
    assert len(panel.curves) == 6
    for curve in panel.curves:
        for run in curve.runs:
            assert min(run[:2]) > run[2] > run[3]


def test_the_law():
    assert spectrum.law(256, 32, 0.5, "orthogonal") == pytest.approx(0.25)
    assert spectrum.law(256, None, 0.95, "glorot") == pytest.approx(math.sqrt(0.05))
    assert spectrum.law(256, 128, 0.8, "glorot") == pytest.approx(0.422, abs=1e-3)


def test_a_wrong_law_is_seen(monkeypatch):
    monkeypatch.setattr(spectrum, "law", lambda *_: 2.0)
    found = spectrum.measure(spectrum.Size(units=32, draws=1), 1, silent)
    assert not spectrum.LAW.row(found.values[spectrum.LAW]).holds
