"""The experiment on travelling waves."""

from __future__ import annotations

import pytest

from ostinato.experiments import hidden_waves
from ostinato.experiments.experiment import silent
from ostinato.experiments.hidden_waves import EXPERIMENT, Scale


@pytest.fixture(scope="module")
def measured():
    return hidden_waves.measure(Scale(2, 16, 150, 20, delay=3, places=8), 1, silent)


def test_every_claim_is_measured_once_per_seed(measured):
    assert set(measured.values) == set(EXPERIMENT.claims)
    assert all(len(values) == 1 for values in measured.values.values())


def test_a_few_updates_show_where_it_goes(measured):
    assert measured.values[hidden_waves.NONE] == [0]
    assert measured.values[hidden_waves.RIGHT][0] > 0.6
    repeat, copy = measured.panels
    assert repeat.curves[0].runs[0][0] > repeat.curves[0].runs[0][-1]
    assert [curve.label for curve in copy.curves] == ["wave RNN", "iRNN"]


def test_the_ring_has_fewer_parameters_than_the_network_of_the_identity():
    scale = EXPERIMENT.scales["small"]
    cells = hidden_waves._ring(10, scale), hidden_waves._identity(10, 100)
    sizes = [sum(p.numel() for p in c.parameters()) + 9 * c.hidden_size + 9 for c in cells]
    assert 2 * sizes[0] < sizes[1]


@pytest.mark.slow
def test_the_small_scale():
    result = EXPERIMENT.run("small", 3)
    refuted = {row.claim for row in result.rows if not row.holds}
    assert refuted <= {hidden_waves.RING.text}
