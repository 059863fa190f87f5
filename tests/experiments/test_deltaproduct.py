"""The experiment on DeltaProduct as a whole."""

from __future__ import annotations

import pytest

from ostinato.experiments import (
    deltaproduct_arithmetic,
    deltaproduct_groups,
    deltaproduct_language,
    deltaproduct_parity,
)
from ostinato.experiments.deltaproduct import EXPERIMENT, Scale
from ostinato.experiments.deltaproduct_arithmetic import AHEAD, FEWER, POSITIVE, REACHES
from ostinato.experiments.deltaproduct_groups import Words
from ostinato.experiments.deltaproduct_nets import Training
from ostinato.experiments.experiment import joined, silent

from .completeness import check_complete


def test_every_part_measures_its_claims_and_draws_its_panels(monkeypatch, tmp_path):
    (tmp_path / "text.txt").write_text("to be, or not to be: that is the question. " * 200)
    monkeypatch.setattr(deltaproduct_parity, "LENGTHS", (4, 9))
    tiny = Training(8, 2, updates=1, batch=4)
    scale = Scale(
        deltaproduct_groups.Size({"S4": Words(2, {2: 1, 3: 1}), "Z4": Words(2, {3: 1})}, tiny),
        deltaproduct_parity.Size(tiny),
        deltaproduct_arithmetic.Size(tiny, expressions=10),
        deltaproduct_language.Size({1: 2, 2: 1}, 8, 1, steps=4, updates=1, batch=2, rows=2),
        data=str(tmp_path),
    )
    measured = joined(part(scale, 1, silent) for part in EXPERIMENT.measure.values())
    check_complete(measured, EXPERIMENT)


@pytest.mark.slow
def test_the_small_scale():
    holds = {row.claim: row.holds for row in EXPERIMENT.run("small", 3).rows}
    # Those that did not hold in the recorded run, and no others.
    failing = {
        deltaproduct_parity.FAR.text,
        # Not every seed learns S4, and where one does not, its keys lie elsewhere.
        deltaproduct_groups.SOLVED.text,
        deltaproduct_groups.LONGER.text,
        deltaproduct_groups.KEYS.text,
        AHEAD["without brackets", REACHES[0], POSITIVE].text,
        AHEAD["without brackets", REACHES[1], FEWER].text,
    }
    assert {text for text, held in holds.items() if not held} <= failing
