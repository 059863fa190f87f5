"""The experiment on the review as a whole."""

from __future__ import annotations

import pytest

from ostinato.experiments import (
    rnn_survey_captions,
    rnn_survey_directions,
    rnn_survey_labelling,
    rnn_survey_memory,
    rnn_survey_translation,
    rnn_survey_turing,
)
from ostinato.experiments.experiment import joined, silent
from ostinato.experiments.rnn_survey import EXPERIMENT, Scale

from .completeness import check_complete

pytest.importorskip("sklearn")


def test_every_claim_is_measured_once_per_seed(monkeypatch):
    # A step or two of each net: compiling them would take longer than the loop does.
    monkeypatch.setattr("ostinato.engines.fused.backend.find_compiler", lambda: None)
    scale = Scale(
        rnn_survey_memory.Size(1, 1, steps=4, shortest=1),
        rnn_survey_directions.Size(updates=1),
        rnn_survey_labelling.Size(updates=1, units=2),
        rnn_survey_translation.Size(updates=2, every=2, length=2),
        rnn_survey_captions.Size(updates=1),
        rnn_survey_turing.Size(updates=1, longest=2, tested=3, locations=4),
    )
    measured = joined(part(scale, 1, silent) for part in EXPERIMENT.measure.values())
    check_complete(measured, EXPERIMENT)
    assert len({panel.y_label for panel in measured.panels}) == len(measured.panels) == 7


@pytest.mark.slow
def test_the_small_scale():
    assert EXPERIMENT.run("small", 3).reproduced
