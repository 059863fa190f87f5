"""The attentive reader, in the experiment on layer normalisation."""

from __future__ import annotations

from statistics import fmean

import pytest

from ostinato.experiments import layer_norm_reader
from ostinato.experiments.experiment import silent
from ostinato.experiments.layer_norm_reader import READER, Size


def test_the_claim_is_measured_once_per_seed():
    measured = layer_norm_reader.measure(Size(updates=10, hidden=4), 1, silent)
    plain, normalised = measured.panels[0].curves
    assert len(plain.runs[0]) == len(plain.x) == 10
    difference = fmean(plain.runs[0][5:]) - fmean(normalised.runs[0][5:])
    assert measured.values[READER] == [pytest.approx(difference)]
