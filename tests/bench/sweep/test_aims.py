"""Published numbers are compared with those of the same size, or with none."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ostinato.bench.measure import MODES
from ostinato.bench.sweep.aims import AIMS, Most, Ratio, verdicts
from ostinato.bench.sweep.entry import Entry, Question
from ostinato.bench.sweep.grids import GRIDS

from .conftest import question

SPOTS = [question(10).spot, question(20).spot]


def answers(*times, dtype="float32"):
    """Of loop and generated code, size by size."""
    pairs = [(spot, name) for spot in SPOTS for name in ("reference", "fused")]
    return {
        (asked := Question(replace(spot, dtype=dtype), name, MODES[0])): Entry(asked, ms)
        for (spot, name), ms in zip(pairs, times, strict=True)
    }


@pytest.mark.parametrize(
    ("times", "measured", "outcome"),
    [
        ((4.0, 2.0, 9.0, 3.0), 3.0, "met"),
        ((4.0, 2.0, 3.0, 3.0), 2.0, "not met"),
        ((4.0, 2.0, 9.0, None), 2.0, "not met"),
        ((None, 2.0, 9.0, None), None, "not measured"),
    ],
)
def test_the_best_size_counts(times, measured, outcome):
    aim = Ratio("a claim", 2.5, SPOTS, MODES[0], "fused")
    verdict = aim.judge(answers(*times), "float32")
    assert (verdict.aim, verdict.measured, verdict.outcome) == ("≥ 2.5 ×", measured, outcome)
    assert aim.judge(answers(*times), "bfloat16").measured is None
    assert aim.judge(answers(*times, dtype="bfloat16"), "bfloat16").measured == measured


@pytest.mark.parametrize(
    ("values", "measured", "outcome"),
    [((1.0, 2.0), 2.0, "met"), ((3.0, 2.0), 3.0, "not met"), ((None, None), None, "not measured")],
)
def test_the_worst_size_counts_where_something_is_to_be_small(values, measured, outcome):
    aim = Most("a claim", 2.5, SPOTS, MODES[0], "fused", lambda entry: entry.ms, "ms")
    times = [time for value in values for time in (1.0, value)]
    verdict = aim.judge(answers(*times), "float32")
    assert (verdict.aim, verdict.measured, verdict.outcome) == ("≤ 2.5 ms", measured, outcome)
    assert aim.judge({}, "float32").outcome == "not measured"


def test_errors_are_those_of_the_part_that_is_spoken_of():
    aim = next(aim for aim in AIMS["updates"] if "gradient of β" in aim.text)
    asked = Question(aim.spots[0], aim.engine, aim.mode)
    entry = Entry(asked, 1.0, error=0.5, parts={"y": 0.5, "β": 0.019})
    assert aim.judge({asked: entry}, "float32").outcome == "met"


def test_memory_of_a_convolution_is_related_to_its_vectors():
    [aim] = AIMS["lssl"]
    spot = aim.spots[0]
    asked = Question(spot, aim.engine, aim.mode)
    states = {"LSSL-64": 64, "LSSL-128": 128, "LSSL-256": 256}[spot.cell]
    entry = Entry(asked, 1.0, peak=3 * 4 * 256 * states * 2**16)
    assert aim.judge({asked: entry}, "float32").measured == 3


@pytest.mark.parametrize("name", AIMS)
def test_every_size_of_an_aim_is_asked_for(name):
    asked = set(GRIDS[name].questions())
    for aim in AIMS[name]:
        for engine in aim.sides:
            assert {Question(spot, engine, aim.mode) for spot in aim.spots} <= asked


def test_tables_without_published_numbers_have_no_verdict():
    assert verdicts("memory", [], "float32") == []
    assert [v.outcome for v in verdicts("lengths", [], "float32")] == ["not measured"]
