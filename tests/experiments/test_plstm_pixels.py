"""Arrow pointing from pixels, in the experiment on pLSTM."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from ostinato.experiments import plstm_pixels
from ostinato.experiments.experiment import silent
from ostinato.experiments.plstm_pixels import Size

TINY = Size(
    side=48, shapes=0.25, images=8, epochs=2, batch=4, width=12, heads=1, modes="PD", held_out=8
)


def test_both_nets_are_scored_on_both_sides():
    found = plstm_pixels.measure(TINY, 1, silent)
    assert set(found.values) == set(plstm_pixels.CLAIMS)
    ours, theirs = found.panels[0].curves
    assert (tuple(ours.x), len(ours.runs[0]), len(theirs.runs[0])) == ((48, 96), 2, 2)
    same, larger, ahead = (found.values[claim][0] for claim in plstm_pixels.CLAIMS)
    assert [same, larger] == ours.runs[0]
    assert larger - theirs.runs[0][1] == ahead


def test_every_epoch_has_the_same_pictures(monkeypatch):
    seen = []

    class Seen(nn.Linear):
        def forward(self, x):
            seen.append(x)
            return super().forward(x.mean((1, 2)))

    plstm_pixels.fit(Seen(1, 2), 0, range(4), TINY)
    assert torch.equal(seen[0], seen[2])
    assert torch.equal(seen[1], seen[3])
    assert not torch.equal(seen[0], seen[1])


def test_the_rate_rises_for_an_epoch_and_falls_to_a_thousandth():
    size = Size(images=1280, epochs=5)
    shares = [plstm_pixels._share(step, size) for step in range(50)]
    assert max(shares[:10]) == shares[9] == shares[10] == 1
    assert shares[0] == pytest.approx(0.1)
    assert shares[10:] == sorted(shares[10:], reverse=True)
    assert plstm_pixels._share(50, size) == pytest.approx(1e-3)
    assert Size().epochs * Size().epoch == 39_050
