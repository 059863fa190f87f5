"""Remembering a symbol, in the experiment on ParaRNN."""

from __future__ import annotations

import pytest

from ostinato.experiments import pararnn_recall
from ostinato.experiments.experiment import silent
from ostinato.experiments.pararnn_recall import Size


def test_both_tasks_are_scored_and_both_nets_drawn():
    found = pararnn_recall.measure(Size(keep_updates=40, hop_updates=2, keep_steps=6), 1, silent)
    assert set(found.values) == set(pararnn_recall.CLAIMS)
    (keep,), (hop,) = (found.values[claim] for claim in pararnn_recall.CLAIMS)
    assert 15 < keep < 99
    assert 5 < hop < 99
    for panel in found.panels:
        assert [curve.label.partition(":")[0] for curve in panel.curves] == [
            "ParaGRU",
            "ParaGRU, a = 0",
        ]
        first = [curve.runs[0][0] for curve in panel.curves]
        assert first[0] == pytest.approx(first[1], abs=0.1)
