from __future__ import annotations

import torch

from ostinato.cells.elstm import ELSTMCell
from ostinato.experiments import rtrl_training
from ostinato.experiments.experiment import silent
from ostinato.experiments.rtrl_training import Net
from ostinato.tasks.copy import CopyTask


def test_what_the_segment_is_does_not_matter_to_rtrl_but_to_truncation():
    whole, pieces, truncated = (
        rtrl_training._marked(method, span, 3, 0, silent)
        for method, span in (("truncated", 20), ("exact", 5), ("truncated", 5))
    )
    assert whole == pieces
    assert len(truncated) == 3


def test_every_claim_is_measured_once_per_seed():
    size = rtrl_training.Size(2, 2, copied=2, copy_units=4, spans=(10, 20))
    measured = rtrl_training.measure(size, 2, silent)
    assert set(measured.values) == set(rtrl_training.CLAIMS)
    assert all(len(values) == 2 for values in measured.values.values())
    assert [len(panel.curves) for panel in measured.panels] == [3, 2]


def test_online_a_segment_is_answered_before_it_is_learned():
    torch.manual_seed(0)
    net = Net.begin(ELSTMCell(3, 4), 3, "exact")
    batch = CopyTask(2, 2, 0, recall_only=True).batch(0, 5)
    before = net.head.weight.detach().clone()
    first, second = rtrl_training._online(net, batch, 2)
    assert first.shape == second.shape == (5, 2, 3)
    assert not torch.equal(net.head.weight, before)
    # There is nothing to learn from the segment without recall.
    assert net.optimizer.state[net.head.weight]["step"] == 1
