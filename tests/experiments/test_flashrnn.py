"""The experiment on FlashRNN as a whole."""

from __future__ import annotations

import math

import pytest

from ostinato.experiments import flashrnn_language, flashrnn_parity, flashrnn_speed
from ostinato.experiments.experiment import Claim, Measurement, joined, silent
from ostinato.experiments.flashrnn import EXPERIMENT, Scale

from .completeness import check_complete


def test_every_part_measures_its_claims_and_draws_its_panels(monkeypatch, tmp_path):
    """Speed is measured in its own test: kernels of all cells would be compiled here too."""

    def timed(size, seeds, track):
        return Measurement(dict.fromkeys(flashrnn_speed.CLAIMS, [1.0] * seeds), [])

    monkeypatch.setattr(flashrnn_speed, "measure", timed)
    monkeypatch.setattr(flashrnn_parity, "LENGTHS", (4, 9))
    (tmp_path / "a.txt").write_text("a short text " * 900)
    scale = Scale(
        flashrnn_parity.Size(updates=1),
        flashrnn_language.Size(16, 1, 4, 1, 5e-3, characters=300, order=1),
        flashrnn_speed.Size((8, 16), steps=4, hidden=16),
        data=str(tmp_path),
    )
    measured = joined(part(scale, 1, silent) for part in EXPERIMENT.measure.values())
    check_complete(measured, EXPERIMENT)


def test_speed_can_be_measured_by_itself(monkeypatch):
    values = {claim: [1.0] for claim in flashrnn_speed.CLAIMS}
    monkeypatch.setattr(flashrnn_speed, "measure", lambda *about: Measurement(values, []))
    found = EXPERIMENT.run("small", 1, part="speed")
    assert [row.claim for row in found.rows] == [claim.text for claim in flashrnn_speed.CLAIMS]


def test_no_claim_is_without_a_bound():
    claims = EXPERIMENT.claims
    assert all(isinstance(claim, Claim) for claim in claims)
    assert all(claim.at_least > -math.inf or claim.at_most < math.inf for claim in claims)


@pytest.mark.slow
def test_the_small_scale():
    assert EXPERIMENT.run("small", 3).reproduced
