"""Published numbers are compared with those of the same size, or with none."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ostinato.bench.measure import MODES
from ostinato.bench.sweep.aims import AIMS, Aim, verdicts
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
    aim = Aim("a claim", 2.5, SPOTS, MODES[0], "fused")
    verdict = aim.judge(answers(*times), "float32")
    assert (verdict.aim, verdict.measured, verdict.outcome) == ("≥ 2.5 ×", measured, outcome)
    assert aim.judge(answers(*times), "bfloat16").measured is None
    assert aim.judge(answers(*times, dtype="bfloat16"), "bfloat16").measured == measured


@pytest.mark.parametrize("name", AIMS)
def test_every_size_of_an_aim_is_asked_for(name):
    asked = set(GRIDS[name].questions())
    for aim in AIMS[name]:
        for engine in (aim.engine, aim.base):
            assert {Question(spot, engine, aim.mode) for spot in aim.spots} <= asked


def test_tables_without_published_numbers_have_no_verdict():
    assert verdicts("memory", [], "float32") == []
    assert [v.outcome for v in verdicts("lengths", [], "float32")] == ["not measured"]
