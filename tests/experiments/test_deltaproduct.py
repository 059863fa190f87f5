"""The experiment on DeltaProduct as a whole."""

from __future__ import annotations

import math

import pytest

from ostinato.experiments import (
    deltaproduct,
    deltaproduct_arithmetic,
    deltaproduct_groups,
    deltaproduct_parity,
)
from ostinato.experiments.deltaproduct import EXPERIMENT, Scale
from ostinato.experiments.deltaproduct_nets import Training
from ostinato.experiments.experiment import silent


def test_every_part_measures_its_claims_and_draws_its_panels(monkeypatch):
    monkeypatch.setattr(deltaproduct_parity, "LENGTHS", (4, 9))
    tiny = Training(8, 2, updates=1, batch=4)
    scale = Scale(
        deltaproduct_groups.Size({"S3": 2, "Z4": 2}, 3, tiny),
        deltaproduct_parity.Size(tiny),
        deltaproduct_arithmetic.Size(tiny, expressions=10),
    )
    measured = deltaproduct.measure(scale, 1, silent)
    assert set(measured.values) == set(EXPERIMENT.claims)
    assert all(len(values) == 1 for values in measured.values.values())
    assert all(math.isfinite(value) for values in measured.values.values() for value in values)
    for panel in measured.panels:
        for curve in panel.curves:
            assert all(len(run) == len(curve.x) for run in curve.runs)


@pytest.mark.slow
def test_the_small_scale():
    assert EXPERIMENT.run("small", 3).reproduced
