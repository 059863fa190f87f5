"""The experiment on pLSTM as a whole."""

from __future__ import annotations

import math

import pytest

from ostinato.experiments import (
    plstm,
    plstm_arrows,
    plstm_molecules,
    plstm_paths,
    plstm_pixels,
    plstm_trees,
)
from ostinato.experiments.experiment import Measurement, silent
from ostinato.experiments.plstm import EXPERIMENT, Scale


def test_the_parts_are_joined(monkeypatch):
    sizes = (
        plstm_arrows.Size(1, 1),
        plstm_paths.Size(8),
        plstm_trees.Size(1),
        plstm_molecules.Size(1),
    )
    for part in (plstm_arrows, plstm_trees, plstm_molecules, plstm_pixels):
        values = {claim: [1.0] for claim in part.CLAIMS}
        monkeypatch.setattr(part, "measure", lambda *_, values=values: Measurement(values, []))
    measured = plstm.measure(Scale(*sizes), 1, silent)
    assert set(measured.values) == set(EXPERIMENT.claims_at("small"))
    measured = plstm.measure(Scale(*sizes, plstm_pixels.Size()), 1, silent)
    assert set(measured.values) == set(EXPERIMENT.claims_at("paper")) == set(EXPERIMENT.claims)
    assert all(math.isfinite(value) for values in measured.values.values() for value in values)


@pytest.mark.slow
def test_the_small_scale():
    pytest.importorskip("grakel")
    holds = {row.claim: row.holds for row in EXPERIMENT.run("small", 3).rows}
    # A small net that sees two thirds of the molecules is not enough.
    assert {text for text, held in holds.items() if not held} <= {plstm_molecules.RIGHT.text}
