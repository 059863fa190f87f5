"""Parity, in the experiment on DeltaProduct."""

from __future__ import annotations

from ostinato.experiments import deltaproduct_parity
from ostinato.experiments.deltaproduct_nets import Training
from ostinato.experiments.deltaproduct_parity import FAR, POSITIVE, SOLVED, Size, measure
from ostinato.experiments.experiment import silent


def test_a_reflection_learns_parity_and_no_positive_eigenvalue_does(monkeypatch):
    monkeypatch.setattr(deltaproduct_parity, "LENGTHS", (12, 16))
    found = measure(Size(Training(16, 2, updates=150, batch=32, rate=1e-2)), 1, silent)
    assert found.values[SOLVED][0] > 95
    far = found.panels[0].curves[0].runs[0][-1]
    assert found.values[FAR] == [far]
    assert far > 85
    assert found.values[POSITIVE][0] < 75
