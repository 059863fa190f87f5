"""The experiment on low-rank and sparse CfCs as a whole."""

from __future__ import annotations

import pytest

from ostinato.experiments import (
    sparse_lowrank_cfc_control,
    sparse_lowrank_cfc_spectrum,
)
from ostinato.experiments.experiment import Measurement, joined, silent
from ostinato.experiments.sparse_lowrank_cfc import EXPERIMENT, Scale


def test_the_parts_are_joined(monkeypatch):
    for part in (sparse_lowrank_cfc_control, sparse_lowrank_cfc_spectrum):
        values = {claim: [1.0] for claim in part.CLAIMS}
        monkeypatch.setattr(part, "measure", lambda *_, values=values: Measurement(values, []))
    sizes = sparse_lowrank_cfc_spectrum.Size(8), sparse_lowrank_cfc_control.Size(1)
    measured = joined(part(Scale(*sizes), 1, silent) for part in EXPERIMENT.measure.values())
    assert set(measured.values) == set(EXPERIMENT.claims)


@pytest.mark.slow
def test_all_but_the_headline_holds_at_the_small_scale():
    rows = EXPERIMENT.run("small", 3).rows
    missed = {row.claim for row in rows if not row.holds}
    headlines = (sparse_lowrank_cfc_control.HEADLINE, sparse_lowrank_cfc_control.AT_RADIUS)
    assert missed <= {claim.text for claim in headlines}
