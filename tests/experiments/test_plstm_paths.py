"""Signals over distance, in the experiment on pLSTM."""

from __future__ import annotations

import pytest

from ostinato.experiments import plstm_paths
from ostinato.experiments.experiment import silent
from ostinato.experiments.plstm_paths import Size


def test_the_claims_hold_and_the_curves_tell_the_kinds_apart():
    found = plstm_paths.measure(Size(16), 2, silent)
    assert all(claim.row(found.values[claim]).holds for claim in plstm_paths.CLAIMS)
    beam, diffusion, explosion = (curve.runs[1] for curve in found.panels[0].curves)
    assert beam[-1] < -0.5
    assert diffusion == pytest.approx([0] * 15)
    assert explosion[-1] > 3


def test_a_wrong_transition_is_seen(monkeypatch):
    monkeypatch.setitem(plstm_paths.TRANSITIONS, "P, α = ½", (0.5, 0.5, 0.4, 0.5))
    monkeypatch.setitem(plstm_paths.TRANSITIONS, "D", (1.0, 1.0, 0.1, 1.0))
    found = plstm_paths.measure(Size(16), 1, silent)
    failed = [claim for claim in plstm_paths.CLAIMS if not claim.row(found.values[claim]).holds]
    assert {plstm_paths.MASS, plstm_paths.REACH} <= set(failed)
