"""Every quantity has words for what is there, and for what is not."""

from __future__ import annotations

import pytest

from ostinato.bench.sweep.columns import LEGENDS, TITLES, WRITE
from ostinato.bench.sweep.entry import DECLINES, Entry
from ostinato.bench.sweep.grids import GRIDS

from .conftest import question

BASE = Entry(question(engine="reference"), 6.0, peak=2**22, error=1e-3)
FOUND = Entry(question(), 2.0, peak=2**21, error=2e-6, iterations=4, parts={"y": 1e-6, "β": 2e-6})


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("ms", "2 (3×)"),
        ("peak", "2.0 (0.50)"),
        ("error", "2.0e-06"),
        ("parts", "y 1.0e-06, β 2.0e-06"),
        ("iterations", "4"),
        ("each", "0.5"),
    ],
)
def test_a_quantity(name, text):
    write = WRITE[name]
    assert write(FOUND, BASE) == text
    assert write(Entry(question(), note="out of memory"), BASE) == "–"
    assert write(Entry(question(), note=f"{DECLINES}no compiler"), BASE) == "no"


def test_a_loop_has_no_iterations():
    assert WRITE["iterations"](BASE, BASE) == WRITE["each"](BASE, BASE) == "–"


def test_every_table_shows_quantities_that_are_explained():
    shown = {name for grid in GRIDS.values() for name in grid.shows}
    assert set(LEGENDS) == {*WRITE, "roof"} == shown
    assert set(TITLES) == set(WRITE)
