"""The tables ask what they say, shortest sequences first."""

from __future__ import annotations

import pytest

from ostinato.bench.measure import MODES
from ostinato.bench.sweep.grids import GRIDS, in_dtype, shortened


@pytest.mark.parametrize("grid", GRIDS.values(), ids=GRIDS)
def test_no_question_is_asked_twice(grid):
    questions = grid.questions()
    assert len(set(questions)) == len(questions)


def test_long_sequences_come_last():
    steps = [s.steps for s in GRIDS["lengths"].spots if s.cell == "ParaGRU"]
    assert steps == sorted(steps)
    assert (steps[0], steps[-1]) == (2**8, 2**20)


def test_heads_share_one_width():
    sizes = {s.hidden // s.heads for s in GRIDS["heads"].spots if s.cell == "LSTM"}
    assert sizes == {16, 32, 64, 128, 256, 768}
    assert {s.hidden for s in GRIDS["heads"].spots} == {768}


@pytest.mark.parametrize("grid", GRIDS.values(), ids=GRIDS)
def test_dense_jacobians_are_not_asked_for(grid):
    cells = {q.spot.cell for q in grid.questions() if q.engine == "parallel"}
    assert not cells & {"LSTM", "GRU", "Elman", "SLSTM", "LayerNormLSTM"}
    assert bool(cells) == ("parallel" in grid.engines)


def test_a_table_of_other_numbers_has_a_name_of_its_own():
    grid = GRIDS["heads"]
    narrow = in_dtype(grid, "bfloat16")
    assert (narrow.name, len(narrow.spots)) == ("heads-bfloat16", len(grid.spots))
    assert {spot.dtype for spot in shortened(narrow).spots} == {"bfloat16"}
    assert in_dtype(grid, "float32") is grid


def test_matrices_are_compared_with_the_library_they_come_from():
    grid = GRIDS["matrices"]
    assert {s.hidden // s.heads for s in grid.spots} == {64, 128}
    assert {"chunk", "flash-linear-attention"} < set(grid.engines)


@pytest.mark.parametrize("grid", GRIDS.values(), ids=GRIDS)
def test_shortened_tables_are_small_and_ask_every_engine_for_every_cell(grid):
    short = shortened(grid)
    assert all(s.batch * s.steps * s.hidden <= 2 * 16 * 4 for s in short.spots)
    assert {s.cell for s in short.spots} == {s.cell for s in grid.spots}
    assert (short.engines, short.modes) == (grid.engines, grid.modes)
    assert set(grid.modes) <= set(MODES)
