"""Pictures are drawn of what was measured."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ostinato.bench.machine import this_machine
from ostinato.bench.sweep.drawing import drawing
from ostinato.bench.sweep.grid import Grid
from ostinato.bench.sweep.sheet import Sheet

from .conftest import answer, question

pytest.importorskip("matplotlib")
GRID = Grid("a", "A table", (question(10).spot, question(20).spot), ("reference", "fused"))


@pytest.mark.parametrize(
    "changes", [{}, {"shows": ("peak",)}, {"shows": ("roof",)}, {"axis": "head size"}], ids=str
)
def test_numbers_change_the_picture(changes):
    grid, machine = replace(GRID, **changes, modes=("forward",)), this_machine()
    entries = [answer(question(steps), float(steps), peak=steps) for steps in (10, 20)]
    drawn = drawing(grid, Sheet(machine, "highest", entries))
    assert drawn.startswith(b"\x89PNG")
    assert drawn != drawing(grid, Sheet(machine, "highest", ()))
