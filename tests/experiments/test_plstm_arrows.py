"""Arrow pointing, in the experiment on pLSTM."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from ostinato.experiments import plstm_arrows
from ostinato.experiments.experiment import silent
from ostinato.experiments.plstm_arrows import SIDES, Size


def test_every_net_is_scored_on_every_side():
    found = plstm_arrows.measure(Size(1, 2, positions=True, held_out=10), 1, silent)
    assert set(found.values) == set(plstm_arrows.CLAIMS)
    scores, losses = found.panels
    labels = ["pLSTM", "ViT", "pLSTM, positions", "ViT, positions"]
    assert [curve.label for curve in scores.curves] == labels
    assert all(tuple(curve.x) == SIDES and len(curve.runs[0]) == 3 for curve in scores.curves)
    assert [len(curve.runs[0]) for curve in losses.curves] == [1, 2, 1, 2]
    same, larger, ahead = (found.values[claim][0] for claim in plstm_arrows.CLAIMS)
    assert scores.curves[0].runs[0][0] == same
    assert larger - scores.curves[1].runs[0][-1] == pytest.approx(ahead)


def test_accuracy_is_that_of_the_answers():
    class Field(nn.Module):
        def forward(self, x):
            return torch.stack([0 * x[..., 0].sum((1, 2)), 0 * x[..., 0].sum((1, 2)) + 1], -1)

    assert plstm_arrows.accuracy(Field(), 8, 0, 100) == pytest.approx(50, abs=12)


def test_training_lowers_the_loss():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Flatten(), nn.Linear(256, 64), nn.ReLU(), nn.Linear(64, 2))
    losses = plstm_arrows.fit(net, 0, range(200), 200)
    assert sum(losses[-30:]) < sum(losses[:30]) - 1
