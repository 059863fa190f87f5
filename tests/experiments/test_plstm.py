"""The experiment on pLSTM as a whole."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ostinato.experiments import (
    plstm_arrows,
    plstm_molecules,
    plstm_paths,
    plstm_pixels,
    plstm_trees,
)
from ostinato.experiments.experiment import Measurement, joined, silent
from ostinato.experiments.plstm import EXPERIMENT

PARTS = {
    "molecules": plstm_molecules,
    "arrows": plstm_arrows,
    "paths": plstm_paths,
    "trees": plstm_trees,
    "pixels": plstm_pixels,
}


@pytest.mark.parametrize("scale", ["small", "paper"])
def test_every_part_is_measured_at_its_own_size(scale, monkeypatch):
    given = {}

    def measuring(name):
        def measure(size, seeds, track, *data):
            given[name] = size, data
            return Measurement({claim: [0.0] * seeds for claim in PARTS[name].CLAIMS}, [])

        return measure

    for name, part in PARTS.items():
        monkeypatch.setattr(part, "measure", measuring(name))
    size = replace(EXPERIMENT.scales[scale], data="a folder")
    measured = joined(part(size, 2, silent) for part in EXPERIMENT.measure.values())
    assert set(measured.values) == set(EXPERIMENT.claims_at(scale))
    assert given["molecules"][1] == ("a folder",)
    sizes = {name: each for name, (each, _) in given.items()}
    assert sizes == {name: each for name in PARTS if (each := getattr(size, name)) is not None}


def test_pixels_are_left_out_where_they_would_take_days():
    claims = {scale: set(EXPERIMENT.claims_at(scale)) for scale in EXPERIMENT.scales}
    assert claims["paper"] == set(EXPERIMENT.claims)
    assert claims["paper"] - claims["small"] == set(plstm_pixels.CLAIMS)


@pytest.mark.slow
def test_the_small_scale():
    pytest.importorskip("grakel")
    holds = {row.claim: row.holds for row in EXPERIMENT.run("small", 3).rows}
    # As recorded: a small net that sees two thirds of the molecules is not enough, and of three
    # that learn the arrows one may not extrapolate.
    missed = (plstm_molecules.RIGHT, plstm_arrows.LARGER, plstm_arrows.AHEAD)
    assert {text for text, held in holds.items() if not held} <= {claim.text for claim in missed}
