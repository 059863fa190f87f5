"""The experiment on DEER."""

from __future__ import annotations

import pytest
import torch

from ostinato.core.errors import DataError
from ostinato.experiments import deer
from ostinato.experiments.deer import EXPERIMENT, Scale, rank_correlation

from .completeness import check_complete

TINY = Scale(
    steps=24,
    nets=2,
    small_nets=1,
    timed_steps=40,
    repeats=1,
    sine_updates=2,
    sine_steps=30,
    updates=2,
    hidden=2,
)


@pytest.fixture(scope="module")
def measured():
    torch.manual_seed(0)
    return deer.measure(TINY, 1, lambda items, text: items)


def test_every_claim_is_measured_once_per_seed(measured):
    check_complete(measured, EXPERIMENT)


def test_there_is_a_panel_for_each_part(measured):
    gains, speed, sine, training = measured.panels
    assert [curve.label for curve in gains.curves] == ["Newton", "quasi-Newton", "Jacobi"]
    assert list(gains.curves[0].x) == list(deer.GAINS)
    assert [len(curve.runs[0]) for curve in speed.curves] == [4, 4]
    assert [curve.label for curve in sine.curves] == list(deer._METHODS)
    step_by_step, newton = training.curves
    assert newton.runs[0] == pytest.approx(step_by_step.runs[0], abs=1e-4)
    for panel in measured.panels:
        assert all(len(run) == len(curve.x) for curve in panel.curves for run in curve.runs)


def test_what_holds_at_any_size_holds(measured):
    for claim in (deer.GRADIENT, deer.CURVE, deer.SOLVED):
        assert claim.row(measured.values[claim]).holds


def test_data_that_cannot_be_read_are_told_at_once(tmp_path):
    with pytest.raises(DataError, match="holds no recording"):
        EXPERIMENT.run(seeds=1, data=str(tmp_path), track=lambda items, text: pytest.fail(text))


def test_rank_correlation():
    assert rank_correlation([1, 2, 3, 4], [10, 11, 50, 60]) == pytest.approx(1)
    assert rank_correlation([1, 2, 3, 4], [4, 3, 2, 1]) == pytest.approx(-1)
    # scipy.stats.spearmanr([1, 2, 2, 5, 3], [7, 7, 3, 9, 8]).
    assert rank_correlation([1, 2, 2, 5, 3], [7, 7, 3, 9, 8]) == pytest.approx(0.7631578947)


@pytest.mark.slow
def test_the_small_scale():
    result = EXPERIMENT.run("small", 1)
    # Newton's method solves the sine as ELK does, and the exponent does not order every net.
    open_claims = {deer.SINE.text, deer.EXPONENT.text}
    assert all(row.holds for row in result.rows if row.claim not in open_claims)
