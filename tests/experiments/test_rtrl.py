"""The experiment on RTRL."""

from __future__ import annotations

import pytest

from ostinato.experiments import rtrl_gradients, rtrl_memory, rtrl_speed, rtrl_training
from ostinato.experiments.experiment import Measurement, Panel, joined, silent
from ostinato.experiments.rtrl import EXPERIMENT

PARTS = (rtrl_gradients, rtrl_training, rtrl_memory, rtrl_speed)


def test_it_is_made_of_its_parts(monkeypatch):
    for part in PARTS:
        found = Measurement({claim: [0.0] for claim in part.CLAIMS}, [Panel("", part.__name__, [])])
        monkeypatch.setattr(part, "measure", lambda size, seeds, track, found=found: found)
    measured = joined(
        part(EXPERIMENT.scales["small"], 1, silent) for part in EXPERIMENT.measure.values()
    )
    assert tuple(measured.values) == EXPERIMENT.claims
    assert [panel.y_label for panel in measured.panels] == [part.__name__ for part in PARTS]


@pytest.mark.slow
def test_the_small_scale():
    assert EXPERIMENT.run("small", 2).reproduced
