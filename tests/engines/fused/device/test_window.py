"""Steps that are recorded and replayed: windows, and what is left behind them."""

from __future__ import annotations

import pytest
import torch

import interpreted_engine
import ostinato as ost
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


def test_a_window_of_inference_serves_other_modes(short_windows):
    layer, x = ost.RNN(make_cell("Elman", 2, 3), "triton"), torch.randn(2, 5, 2)
    expected = ost.RNN(layer.cell, "reference")(x)[0]
    for mode in (torch.inference_mode, torch.no_grad):
        with mode():
            torch.testing.assert_close(layer(x)[0], expected)
    assert len(short_windows) == 1


def test_few_windows_are_kept(short_windows):
    cell = make_cell("Elman", 2, 3).double()
    for rows in range(1, 7):
        compare(cell, torch.randn(rows, 4, 2, dtype=torch.float64))
    assert len(short_windows) == 12


def test_windows_are_even_and_no_larger_than_allowed(monkeypatch):
    monkeypatch.setattr(window, "STEPS", 32)
    few = Frame(2, {"x": (Port(torch.zeros(1)), 3)}, (), {})
    assert window.steps_of(few) == window.STEPS
    wide = Frame(2**10, {"x": (Port(torch.zeros(1)), 2**16)}, (), {})
    assert window.steps_of(wide) == 2
    middle = Frame(2**9, {"x": (Port(torch.zeros(1)), 9000)}, (), {})
    assert window.steps_of(middle) == 6
