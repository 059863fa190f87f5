"""Steps that are recorded and replayed: windows, and what is left behind them."""

from __future__ import annotations

import pytest
import torch

import interpreted_engine
from ostinato.cells import make_cell
from ostinato.engines.fused.device import window
from ostinato.engines.fused.device.forms import ALTERNATING
from ostinato.engines.fused.device.frame import Frame
from ostinato.engines.fused.device.port import Port

from .test_engine import compare


@pytest.fixture(autouse=True)
def short_windows(interpreted, monkeypatch):
    """Windows of two steps, in the form that has them; how many were made."""
    made = []
    record = window.record
    monkeypatch.setattr(window, "STEPS", 2)
    monkeypatch.setattr(window, "record", lambda *given: made.append(1) or record(*given))
    interpreted_engine.install(ALTERNATING)
    yield made
    interpreted_engine.install()


@pytest.mark.parametrize(("steps", "reverse"), [(4, True), (7, False)])
def test_windows_and_the_rest(steps, reverse, short_windows):
    cell = make_cell("LSTM", 2, 3).double()
    compare(cell, torch.randn(2, steps, 2, dtype=torch.float64), reverse=reverse)
    assert len(short_windows) == 2


def test_a_window_is_used_again_with_other_constants(short_windows):
    cell, x = make_cell("Elman", 2, 3).double(), torch.randn(2, 5, 2, dtype=torch.float64)
    for _ in range(2):
        compare(cell, x)
        with torch.no_grad():
            for weight in cell.parameters():
                weight.mul_(0.7)
    assert len(short_windows) == 2


def test_few_windows_are_kept(short_windows):
    cell = make_cell("Elman", 2, 3).double()
    for rows in range(1, 7):
        compare(cell, torch.randn(rows, 4, 2, dtype=torch.float64))
    assert len(short_windows) == 12


def frame(rows, size, time):
    steps = torch.arange(8.0 * rows * size).view(8, rows, size)
    first = steps[-1] if time < 0 else steps
    return Frame(rows, {"x": (Port(first, time * rows * size, size), size)}, (), {}), steps


def test_windows_are_even_and_no_larger_than_allowed():
    assert window.steps_of(frame(2, 3, 1)[0]) == 2
    wide = Frame(2**10, {"x": (Port(torch.zeros(1)), 2**16)}, (), {})
    assert window.steps_of(wide) == 2


@pytest.mark.parametrize("time", [1, -1])
def test_a_span_is_in_the_order_of_memory(time):
    found, steps = frame(2, 3, time)
    expected = steps[2:5] if time > 0 else steps[3:6]
    assert found.span("x", 2, 3).equal(expected)
    assert found.downwards == (time < 0)
    assert found.at(2)["x"].equal(steps[2] if time > 0 else steps[5])
