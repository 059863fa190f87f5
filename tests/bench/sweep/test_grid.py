"""Questions of a table: who is asked for what, in which numbers, how small."""

from __future__ import annotations

import pytest

from ostinato.bench.measure import MODES
from ostinato.bench.sweep.entry import Question, Spot
from ostinato.bench.sweep.grid import Grid, in_dtype, shortened, takes
from ostinato.bench.sweep.grids import GRIDS


def test_dense_jacobians_and_what_has_no_function_are_not_asked_for():
    spots = [Spot("LSTM", 8, 2, 3), Spot("LSTM", 8, 2, 3, heads=2), Spot("ParaGRU", 8, 2, 3)]
    asked = [(q.spot, q.engine) for q in Grid("a", "", spots, ("fused", "parallel", "torch"),
                                              ("forward",)).questions()]  # fmt: skip
    assert asked == [
        (spots[0], "fused"), (spots[0], "torch"), (spots[1], "fused"),
        (spots[2], "fused"), (spots[2], "parallel"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("engine", "cell", "taken"),
    [
        ("flashrnn", "SLSTM", True),
        ("flashrnn", "HeadsStep", False),
        ("pararnn", "DiagonalStep", True),
        ("pararnn", "ParaGRU", False),
        ("flash-linear-attention", "Updates-3", True),
        ("chunk", "Mamba2", True),
    ],
)
def test_libraries_are_asked_for_what_they_have(engine, cell, taken):
    assert takes(engine, Spot(cell, 8, 2, 3)) is taken


def test_a_table_of_other_numbers_has_a_name_of_its_own():
    grid = GRIDS["heads"]
    narrow = in_dtype(grid, "bfloat16")
    assert (narrow.name, len(narrow.spots)) == ("heads-bfloat16", len(grid.spots))
    assert {spot.dtype for spot in shortened(narrow).spots} == {"bfloat16"}
    assert in_dtype(grid, "float32") is grid


@pytest.mark.parametrize("grid", GRIDS.values(), ids=GRIDS)
def test_shortened_tables_are_small_and_ask_every_engine_for_every_cell(grid):
    short = shortened(grid)
    assert all(s.batch * s.steps * s.hidden <= 2 * 16 * 4 for s in short.spots)
    assert all(s.steps > 1 for s in short.spots)
    cells = {(q.spot.cell, q.engine) for q in grid.questions()}
    assert cells <= {(q.spot.cell, q.engine) for q in short.questions()}
    assert (short.engines, short.modes) == (grid.engines, grid.modes)
    assert set(grid.modes) <= set(MODES)


def test_questions_of_one_size_stay_together():
    grid = Grid("a", "", (Spot("GRU", 8, 2, 3), Spot("GRU", 8, 2, 6)), ("fused",))
    assert [q.spot.steps for q in grid.questions()] == [3, 3, 6, 6]
    assert grid.questions()[1] == Question(grid.spots[0], "fused", MODES[1])
