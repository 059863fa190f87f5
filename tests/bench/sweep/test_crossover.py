"""The head size from which another is faster, in words."""

from __future__ import annotations

import pytest

from ostinato.bench.sweep.crossover import crossovers
from ostinato.bench.sweep.entry import Entry, Question, Spot

SPOTS = [Spot("LSTM", 8, 2, 3, heads) for heads in (2, 8, 1)]
NAMES = ("reference", "fused", "torch", "on chip", "alternating")


def told(ours, theirs, rival="alternating"):
    """Times by head size 1, 4 and 8; None: no answer; "-": not asked."""
    by_heads = dict(zip((8, 2, 1), zip(ours, theirs, strict=True), strict=True))
    entries = [
        Entry(Question(spot, name, "forward"), ms, note="" if ms else "no memory")
        for spot in SPOTS
        for name, ms in zip(("on chip", rival), by_heads[spot.heads], strict=True)
        if ms != "-"
    ]
    return [row[3:] for row in crossovers(SPOTS, NAMES, ("forward",), entries)]


@pytest.mark.parametrize(
    ("ours", "words"),
    [
        ((1.0, 1.0, 3.0), "between 4 and 8"),
        ((1.0, 3.0, None), "between 1 and 4"),
        ((1.0, 1.0, 1.0), "none up to 8"),
        ((3.0, 3.0, 3.0), "below 1"),
        ((1.0, 3.0, 1.0), "none: faster at 1, 8 of 1, 4, 8"),
        ((1.0, "-", 3.0), "between 1 and 8"),
    ],
)
def test_where_code_on_chip_is_overtaken(ours, words):
    assert told(ours, (2.0, 2.0, 2.0)) == [("alternating", words)]


def test_a_rival_without_heads_counts_as_for_one_head():
    assert told((1.0, 1.0, 3.0), ("-", "-", 2.0), "torch") == [("torch", "between 4 and 8")]


def test_nothing_is_told_of_a_rival_without_times():
    assert told((1.0, 1.0, 3.0), (None, None, None)) == []
    assert told((1.0, "-", "-"), (2.0, "-", "-")) == []
