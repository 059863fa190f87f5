"""Word problems, in the experiment on DeltaProduct."""

from __future__ import annotations

import pytest

from ostinato.experiments import deltaproduct_groups
from ostinato.experiments.deltaproduct_groups import LONGER, ONE, POSITIVE, SOLVED, Size, measure
from ostinato.experiments.deltaproduct_nets import Shape, Training
from ostinato.experiments.experiment import silent


def test_the_worst_group_of_each_seed_decides(monkeypatch):
    scores = {("S3", 2): 99.0, ("S3", 1): 40.0, ("S5", 4): 97.0, ("S5", 1): 5.0}

    def run(size, group, shape, seed, lengths, track):
        assert lengths == [8, 16, 32, 128]
        if not shape.negative:
            return [30.0 + seed, 0, 0, 0]
        return [scores[group, shape.updates], 0, scores[group, shape.updates] - seed, 0]

    monkeypatch.setattr(deltaproduct_groups, "_run", run)
    found = measure(Size({"S3": 2, "S5": 4}, 8, Training(8, 2, updates=1)), 2, silent)
    assert found.values == {
        SOLVED: [97, 97],
        LONGER: [97, 96],
        ONE: [40, 40],
        POSITIVE: [30, 31],
    }
    assert len(found.panels[0].curves) == 6


@pytest.mark.slow
def test_two_updates_learn_three_things_in_order():
    size = Size({"S3": 2}, 16, Training(64, 4, updates=400, batch=128))
    enough = deltaproduct_groups._run(size, "S3", Shape(2), 0, [16], silent)
    one = deltaproduct_groups._run(size, "S3", Shape(1), 0, [16], silent)
    assert enough[0] > 95
    assert one[0] < 70
