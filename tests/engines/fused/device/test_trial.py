"""Forms and tiles tried on random data, by the interpreter and with a clock of the test's own."""

from __future__ import annotations

import pytest
import torch

from ostinato.cells import make_cell
from ostinato.engines import tuned
from ostinato.engines.fused.device import kernel as kernels
from ostinato.engines.fused.device import on_chip
from ostinato.engines.fused.device import trial as module
from ostinato.engines.fused.device.target import SM_90
from ostinato.engines.fused.device.tiles import candidates

from .kernels import kernel
from .test_engine import compare


@pytest.fixture
def device(monkeypatch, tmp_path):
    """A clock, and what it was asked for; the interpreter passes for a device."""
    runs = []

    def timed(run):
        run()
        runs.append(run)
        return float(-len(runs))

    whole = tuned.choose
    monkeypatch.setenv("OSTINATO_CACHE", str(tmp_path))
    monkeypatch.setattr(module, "timed", timed)
    for taker in (kernels, on_chip):
        monkeypatch.setattr(taker, "trial", lambda *given: module.trial(*given[:-1], 1))
    monkeypatch.setattr(tuned, "_device", lambda: "interpreter")
    monkeypatch.setattr(tuned, "measuring", lambda: True)
    monkeypatch.setattr(tuned, "_KNOWN", {})
    monkeypatch.setattr(tuned, "choose", lambda *given: whole(*given[:3]))
    monkeypatch.setattr(on_chip, "_TRIED", 2)
    return runs


@pytest.mark.parametrize("name", ["Elman", "ParaGRU"])
def test_every_function_is_tried_once_and_results_stay_right(name, device):
    cell, x = make_cell(name, 2, 33).double(), torch.randn(5, 2, 2, dtype=torch.float64)
    compare(cell, x)
    count = len(device)
    # Two functions are trained with; verification has tried them for fewer rows.
    assert count % 2 == 0
    assert count >= 4
    compare(cell, x)
    assert len(device) == count
    assert len(tuned.table(tuned.FILE)) == count // 2


def test_numbers_of_the_caller_are_left_alone(device):
    made = kernel(lambda h, x: torch.tanh(h + x))
    tiles = candidates(made.sources("ieee")["forward"], 3, SM_90)
    before = torch.get_rng_state()
    form = made._on_chip["forward"]
    time = module.trial(form.program, 3, made.dtype, "cpu", 1)

    def run(tile):
        return time(lambda ports, steps: form.launch(tile, ports, steps, 3, "ieee"))

    assert [run(tile) for tile in tiles] == [-1.0 - i for i in range(len(tiles))]
    assert torch.equal(torch.get_rng_state(), before)


def test_the_estimate_of_a_call_grows_with_it():
    made = kernel(lambda h, x: torch.tanh(h + x))
    short, long = (made.microseconds(steps, 3, training=False) for steps in (100, 1000))
    assert long > 3 * short
    assert made.microseconds(100, 3, training=True) > short
