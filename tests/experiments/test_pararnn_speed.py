"""Times, in the experiment on ParaRNN."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from ostinato.experiments import pararnn_speed
from ostinato.experiments.experiment import silent
from ostinato.experiments.pararnn_speed import Size


def test_ratios_are_those_of_the_longest_sequence(monkeypatch):
    seconds = {"reference": 6.0, "parallel": 3.0, "fused": 0.5}

    def passed(layer, x, mode):
        return seconds[layer.engine] * x.shape[1] * (2 if mode == "forward" else 1)

    monkeypatch.setattr(pararnn_speed, "_pass", passed)
    found = pararnn_speed.measure(Size(lengths=(4, 8)), 2, silent)
    for cell in pararnn_speed.CELLS:
        assert found.values[pararnn_speed.FASTER[cell]] == [2, 2]
        assert found.values[pararnn_speed.COMPILED[cell]] == [6, 6]
    forward, both, *_ = found.panels
    assert [curve.label for curve in forward.curves] == ["loop", "Newton", "compiled loop"]
    assert forward.curves[0].x == [2, 3]
    assert 10 ** forward.curves[0].runs[0][1] == pytest.approx(2 * 10 ** both.curves[0].runs[0][1])


@pytest.mark.parametrize("mode", pararnn_speed.MODES)
def test_every_side_runs_in_its_mode(mode, monkeypatch):
    ran = []
    clock = SimpleNamespace(perf_counter=lambda: ran.append(mode) or len(ran))
    monkeypatch.setattr(pararnn_speed, "time", clock)
    found = pararnn_speed._time("ParaLSTM", Size(lengths=(3,)), 0, silent)
    assert found[("Newton", mode)] == [1]
    assert len(ran) == 2 * (3 + 6)
