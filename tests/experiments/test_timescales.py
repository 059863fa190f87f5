"""The experiment on timescales."""

from __future__ import annotations

import math

import pytest
import torch

from ostinato.experiments import timescales
from ostinato.experiments.experiment import silent
from ostinato.experiments.timescales import EXPERIMENT
from ostinato.experiments.timescales_nets import Climb, Scale, train


@pytest.fixture(scope="module")
def measured():
    patch = pytest.MonkeyPatch()
    patch.setattr(timescales, "_PROBED", 300)
    patch.setattr(timescales, "_HELD_OUT", 100)
    yield timescales.measure(Scale(hidden=6, hardest=3, epochs=2, updates=2), 1, silent)
    patch.undo()


def test_every_claim_is_measured_once_per_seed(measured):
    assert set(measured.values) == set(EXPERIMENT.claims)
    assert all(len(values) == 1 for values in measured.values.values())


def test_panels_follow_every_net(measured):
    climbed, probed, tau = measured.panels
    assert len(climbed.curves) == 9
    assert [curve.label for curve in probed.curves] == ["single-head", "multi-head", "sliding"]
    assert list(probed.curves[0].x) == [2, 3, 4, 5, 6]
    assert len(probed.curves[0].runs[0]) == 5
    assert all(len(run) == 2 for curve in tau.curves for run in curve.runs)


def climb_of(solved, epochs):
    return Climb(torch.nn.Module(), False, solved, [1] * epochs, [])


def test_a_curriculum_that_does_not_get_there_is_not_the_faster_one():
    both = [climb_of({2: 3, 3: 10}, 10)], [climb_of({2: 4, 3: 20}, 20)]
    assert timescales._ratios(*both, 3) == [0.5]
    assert timescales._ratios([climb_of({2: 3}, 20)], both[1], 3) == [math.inf]
    # what is not solved after 40 epochs would take longer
    assert timescales._ratios(both[0], [climb_of({2: 4}, 40)], 3) == [0.25]


def test_the_probe_reads_what_the_states_hold():
    run = train("leaky", "multi-head", Scale(40, 3, 1, 1), 0, silent)
    with torch.no_grad():
        cell = run.net.layer.cell
        cell.recur.weight.zero_()
        cell.tau.fill_(1)
    one, two = timescales.probe(run, 3, seed=0)
    # without recurrence the last bit is all there is, and the parity of more than one is chance
    assert one == pytest.approx(50, abs=6)
    assert two == pytest.approx(50, abs=6)


@pytest.mark.slow
def test_the_small_scale():
    result = EXPERIMENT.run("small", 3)
    holds = {row.claim: row.holds for row in result.rows}
    refuted = {text for text, held in holds.items() if not held}
    assert refuted <= {timescales.STEADIER.text}
