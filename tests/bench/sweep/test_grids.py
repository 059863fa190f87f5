"""The tables ask what they say, what is worth most first."""

from __future__ import annotations

import pytest

from ostinato.bench.sweep.entry import Spot
from ostinato.bench.sweep.grid import shortened
from ostinato.bench.sweep.grids import GRIDS
from ostinato.bench.sweep.nets import build
from ostinato.bench.sweep.sides import exact


@pytest.mark.parametrize("grid", GRIDS.values(), ids=GRIDS)
def test_no_question_is_asked_twice(grid):
    questions = grid.questions()
    assert len(set(questions)) == len(questions)
    assert {q.engine for q in questions} == set(grid.engines)


@pytest.mark.parametrize(
    ("width", "cell"), [(256, "ParaGRU"), (2048, "LSTM"), (512, "ParaLSTM"), (1024, "DiagonalStep")]
)
def test_long_sequences_come_last(width, cell):
    spots = [s for s in GRIDS["lengths"].spots if (s.cell, s.hidden) == (cell, width)]
    steps = [s.steps for s in spots]
    assert steps == sorted(steps)
    assert {s.batch for s in spots} == {8}
    assert (steps[0], steps[-1]) == (2**8 if cell == "DiagonalStep" else 2**2, 2**16)


def test_the_published_row_comes_first_and_every_cell_has_all_sizes():
    spots = GRIDS["heads"].spots
    row = spots[:6]
    assert row[0] == Spot("LSTM", 768, 16, 1024, 12)
    assert {s.hidden // s.heads for s in row} == {16, 32, 64, 128, 256, 768}
    assert {(s.cell, s.hidden, s.batch, s.steps) for s in row} == {("LSTM", 768, 16, 1024)}
    cells = ("LSTM", "SLSTM", "GRU", "Elman", "HeadsStep")
    sizes = [{(s.heads, s.batch, s.steps) for s in spots if s.cell == cell} for cell in cells]
    assert all(found == sizes[0] for found in sizes)
    assert {batch for _, batch, steps in sizes[0] if steps == 1024} == {2**k for k in range(1, 9)}
    assert {steps for _, batch, steps in sizes[0] if batch == 16} == {256, 512, 1024, 2048}


@pytest.mark.parametrize("grid", GRIDS.values(), ids=GRIDS)
def test_every_cell_can_be_built_small(grid):
    for cell, spot in {s.cell: s for s in shortened(grid).spots}.items():
        check = exact(build(spot))
        assert (check.side == "wavefront") == cell.startswith("pLSTM")
        assert (check.steps == 2**12) == cell.startswith("LSSL")
