"""Markdown says every number, and why one is missing."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ostinato.bench.machine import this_machine
from ostinato.bench.sweep.ceilings import Ceilings
from ostinato.bench.sweep.entry import DECLINES, Entry, Question, Spot
from ostinato.bench.sweep.grid import Grid, in_dtype
from ostinato.bench.sweep.grids import GRIDS
from ostinato.bench.sweep.page import page
from ostinato.bench.sweep.sheet import Sheet

from .conftest import answer, question

GRID = Grid("a", "A table", (question(10).spot, question(20).spot), ("reference", "fused"))


def written(grid, entries):
    return page(grid, Sheet(this_machine(), "highest", entries))


def test_times_stand_beside_those_of_the_first_engine():
    entries = [
        answer(question(10, engine="reference"), 30.0),
        answer(question(10), 2.0, error=3e-7),
        answer(question(20, engine="reference"), 60.0, note="extrapolated from T=10"),
        Entry(question(20), note="out of memory"),
    ]
    text = written(GRID, entries)
    assert "| 1 × 4, B=2, T=10 | 30 | 2 (15×) |" in text
    assert "| 1 × 4, B=2, T=20 | ~60 | – |" in text
    assert "`fused`, ParaGRU 1 × 4, B=2, T=20, forward: out of memory" in text
    assert "4 of 8 not measured yet" in text
    assert "`fused` 3e-07" in text
    assert "extrapolated from T=10" not in text


def test_rows_stand_by_size_and_what_declines_says_so():
    spots = (question(20).spot, question(10).spot)
    grid = replace(GRID, spots=spots, engines=("reference", "fused", "torch"), shows=("ms",))
    entries = [Entry(question(20), note=f"{DECLINES}no compiler")]
    lines = [line for line in written(grid, entries).splitlines() if line.startswith("| 1 × 4")]
    assert lines[:2] == ["| 1 × 4, B=2, T=10 |  |  | no |", "| 1 × 4, B=2, T=20 |  | no | no |"]


def test_iterations_and_errors_have_tables_of_their_own():
    grid = replace(GRID, shows=("iterations", "each", "error"), modes=("forward",))
    entries = [answer(question(10), 6.0, iterations=3, error=2e-5)]
    text = written(grid, entries)
    for row in ("|  | 3 |", "|  | 2 |", "|  | 2.0e-05 |"):
        assert f"| 1 × 4, B=2, T=10 {row}" in text


def test_the_crossover_is_told_where_heads_are_compared():
    spots = [Spot("GRU", 8, 2, 3, heads) for heads in (4, 2)]
    grid = Grid("a", "", spots, ("on chip", "alternating"), ("forward",), axis="head size")
    times = [(1.0, 2.0), (3.0, 2.0)]
    entries = [
        answer(Question(spot, name, "forward"), ms)
        for spot, pair in zip(spots, times, strict=True)
        for name, ms in zip(grid.engines, pair, strict=True)
    ]
    row = "| GRU | B=2, T=3 | forward | alternating | between 2 and 4 |"
    assert row in written(grid, entries)
    assert "Crossover" not in written(replace(grid, axis="steps"), entries)


def test_the_head_says_in_what_is_computed():
    assert "- float32, products in precision 'highest'" in written(GRID, [])
    assert "- weights, inputs and states in float16" in written(in_dtype(GRID, "float16"), [])


def test_published_numbers_stand_above():
    grid = in_dtype(GRIDS["lengths"], "bfloat16")
    spot = grid.spots[0]
    entries = [
        answer(Question(spot, engine, "forward"), ms)
        for engine, ms in (("reference", 700.0), ("parallel", 1.0))
    ]
    assert "| ≥ 665 × | 700 | met |" in written(grid, entries)
    assert "Aims" not in written(GRID, [])


def test_memory_is_shown_in_mebibytes():
    grid = replace(GRID, shows=("peak",))
    entries = [
        answer(question(10, engine="reference"), peak=2**22), answer(question(10), peak=2**20)
    ]  # fmt: skip
    assert "| 4.0 | 1.0 (0.25) |" in written(grid, entries)


def test_rates_are_shares_of_the_ceilings():
    """DiagonalStep, T=10: 960 bytes and 240 operations in a microsecond."""
    grid = replace(GRID, shows=("roof",))
    text = written(grid, [answer(question(10, cell="DiagonalStep"), 1e-3)])
    assert "| 0.001 | 0.96 (0.96) | 0.00024 (0.02) | 0.96 |" in text


def test_ceilings_stand_above_with_their_clock():
    entry = answer(question(10), ceilings=Ceilings(3e12, 4e13, 1980.0))
    text = written(GRID, [entry, answer(question(20), ceilings=Ceilings(2e12, 4e13))])
    assert "a copy 3000 GB/s, a product of matrices 40 TFLOP/s, at 1980 MHz\n- a copy 2000" in text


@pytest.mark.parametrize(
    "shows", [("ms",), ("peak", "error", "iterations", "each"), ("roof",)], ids="-".join
)
def test_tables_are_whole(shows):
    text = written(replace(GRID, shows=shows), [answer(question(10), peak=1)])
    for block in text.split("\n\n"):
        if block.startswith("|"):
            assert len({line.count("|") for line in block.splitlines()}) == 1
