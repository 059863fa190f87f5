"""Times, in the experiment on ParaRNN."""

from __future__ import annotations

import pytest
import torch

from ostinato.cells import make_cell
from ostinato.experiments import pararnn_speed
from ostinato.experiments.experiment import silent
from ostinato.experiments.pararnn_speed import Size
from ostinato.over.time import RNN


def test_ratios_are_those_of_the_longest_sequence(monkeypatch):
    seconds = {"reference": 6.0, "parallel": 3.0, "fused": 0.5}

    def passed(layer, x, mode):
        return seconds[layer.engine] * x.shape[1] * (2 if mode == "forward" else 1)

    monkeypatch.setattr(pararnn_speed, "_pass", passed)
    found = pararnn_speed.measure(Size((4, 8), longest_loop=3), 2, silent)
    for cell in pararnn_speed.CELLS:
        assert found.values[pararnn_speed.FASTER[cell]] == [2, 2]
        assert found.values[pararnn_speed.COMPILED[cell]] == [6, 6]
    forward, both, *_ = found.panels
    assert [curve.label for curve in forward.curves] == ["loop", "Newton", "compiled loop"]
    assert forward.curves[0].x == [2, 3]
    assert 10 ** forward.curves[0].runs[0][1] == pytest.approx(2 * 10 ** both.curves[0].runs[0][1])


def test_every_side_is_timed_in_turn_after_a_pass_that_compiles(monkeypatch):
    passes = []

    def passed(layer, x, mode):
        passes.append((layer.engine, x.shape[1]))
        return 1.0 if len(passes) <= 3 else 0.5

    monkeypatch.setattr(pararnn_speed, "_pass", passed)
    cell, x = make_cell("ParaGRU", 2, 2), torch.zeros(1, 8, 2)
    found = pararnn_speed._sides(cell, x, "forward", longest_loop=4)
    assert passes == 4 * [("reference", 4), ("parallel", 8), ("fused", 8)]
    assert found == {"loop": 1, "Newton": 0.5, "compiled loop": 0.5}


@pytest.mark.parametrize("mode", pararnn_speed.MODES)
@pytest.mark.parametrize("engine", pararnn_speed.ENGINES.values())
def test_a_pass_takes_time(engine, mode):
    layer, x = RNN(make_cell("ParaLSTM", 64, 64), engine), torch.zeros(1, 3, 64)
    assert 0 < pararnn_speed._pass(layer, x, mode) < 60
