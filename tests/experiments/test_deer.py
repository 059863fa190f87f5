"""The experiment on DEER."""

from __future__ import annotations

import pytest
import torch

from ostinato.core.errors import DataError
from ostinato.experiments import deer, deer_images, deer_lorenz, deer_stack, deer_two_body
from ostinato.experiments.deer import EXPERIMENT, Scale, rank_correlation
from ostinato.experiments.experiment import joined, silent
from ostinato.tasks.which_process import WhichProcessTask

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
    lorenz=deer_lorenz.Size(steps=60, marks=5),
    two_body=deer_two_body.Size(4, 30, 0.5, 2, width=4, finer=2, repeats=1),
    images=deer_images.Size(updates=2, heads=2, units=2, rows=4, steps=64, repeats=1),
    stack=deer_stack.Size(updates=2, rows=4, width=2, depth=1),
)

pytest.importorskip("sklearn")
pytest.importorskip("mlxtend")


@pytest.fixture(scope="module")
def measured():
    torch.manual_seed(0)
    with pytest.MonkeyPatch.context() as patch:
        # A step or two of each net: compiling them would take longer than the loop does.
        patch.setattr("ostinato.engines.fused.backend.find_compiler", lambda: None)
        short = WhichProcessTask(steps=100, held_out_sequences=10)
        patch.setattr("ostinato.experiments.deer.long_task", lambda data: short)
        return joined(part(TINY, 1, silent) for part in EXPERIMENT.measure.values())


def test_every_claim_is_measured_once_per_seed(measured):
    check_complete(measured, EXPERIMENT)


def test_there_is_a_panel_for_each_part(measured):
    gains, speed, sine, training, lorenz, losses, iterations, images, stack = measured.panels
    assert [curve.label for curve in gains.curves] == ["Newton", "quasi-Newton", "Jacobi"]
    assert list(gains.curves[0].x) == list(deer.GAINS)
    assert [len(curve.runs[0]) for curve in speed.curves] == [4, 4]
    assert [curve.label for curve in sine.curves] == list(deer._METHODS)
    step_by_step, newton = training.curves
    assert newton.runs[0] == pytest.approx(step_by_step.runs[0], abs=1e-4)
    assert [curve.label for curve in lorenz.curves] == [
        "Newton",
        "quasi-Newton",
        "ELK",
        "quasi-ELK",
    ]
    for curve in lorenz.curves:
        # log₁₀ of the error, from a guess of 0 to the truth.
        assert curve.runs[0][0] > 0 > -6 > curve.runs[0][-1]
    for panel in (losses, stack):
        both = [curve.runs[0] for curve in panel.curves]
        assert both[1] == pytest.approx(both[0], abs=1e-3)
    assert [curve.label for curve in iterations.curves] == ["from rest", "from the last trajectory"]
    assert [curve.label for curve in images.curves] == ["strided heads", "one GRU"]
    for panel in measured.panels:
        assert all(len(run) == len(curve.x) for curve in panel.curves for run in curve.runs)


def test_what_holds_at_any_size_holds(measured):
    held = (
        *(deer.GRADIENT, deer.CURVE, deer.SOLVED, deer_lorenz.SOLVED, deer_lorenz.EXACT),
        *(deer_two_body.SAME, deer_images.AGREES, deer_stack.ALIKE, deer_stack.SOLVED),
    )
    for claim in held:
        assert claim.row(measured.values[claim]).holds


@pytest.mark.parametrize(
    ("name", "reason"), [("audio", "holds no recording"), ("images", "train-images")]
)
def test_data_that_cannot_be_read_are_told_at_once(tmp_path, name, reason):
    given = {name: str(tmp_path)}
    with pytest.raises(DataError, match=reason):
        EXPERIMENT.run(seeds=1, data=given, track=lambda items, text: pytest.fail(text))


def test_rank_correlation():
    assert rank_correlation([1, 2, 3, 4], [10, 11, 50, 60]) == pytest.approx(1)
    assert rank_correlation([1, 2, 3, 4], [4, 3, 2, 1]) == pytest.approx(-1)
    # scipy.stats.spearmanr([1, 2, 2, 5, 3], [7, 7, 3, 9, 8]).
    assert rank_correlation([1, 2, 2, 5, 3], [7, 7, 3, 9, 8]) == pytest.approx(0.7631578947)


@pytest.mark.slow
def test_the_small_scale():
    result = EXPERIMENT.run("small", 1)
    # Newton's method solves the sine as ELK does, the exponent does not order every net, and the
    # last trajectory saves one iteration of five.
    open_claims = {deer.SINE.text, deer.EXPONENT.text, deer_two_body.WARM.text}
    assert all(row.holds for row in result.rows if row.claim not in open_claims)
