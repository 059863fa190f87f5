from __future__ import annotations

import pytest
import torch
from torch import nn

from ostinato.experiments.rnn_survey_training import every, fit


def test_it_descends_and_stops_where_it_is_told():
    model = nn.Linear(1, 1, bias=False)
    with torch.no_grad():
        model.weight.fill_(2.0)
    losses = fit(model, lambda step: model.weight.square().sum(), range(100), 100, 0.1)
    assert len(losses) == 100
    assert losses[0] == 4
    assert losses[-1] < 0.1


def test_the_rate_falls_to_zero(monkeypatch):
    rates = []

    class Spy(torch.optim.Adam):
        def step(self, closure=None):
            rates.append(self.param_groups[0]["lr"])
            super().step(closure)

    monkeypatch.setattr(torch.optim, "Adam", Spy)
    model = nn.Linear(1, 1)
    fit(model, lambda step: model.weight.sum(), range(10), 10, 1.0)
    assert rates == pytest.approx([1 - step / 10 for step in range(10)])


def test_what_is_drawn_is_the_mean_of_blocks():
    updates, drawn = every([1.0, 3.0, 5.0, 7.0, 9.0], points=2)
    assert list(updates) == [0, 2]
    assert drawn == [2.0, 6.0]
    assert every([1.0], points=30) == (range(1), [1.0])
