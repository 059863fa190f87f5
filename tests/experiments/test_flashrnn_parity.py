"""Parity, in the experiment on FlashRNN."""

from __future__ import annotations

import torch

from ostinato.experiments import flashrnn_parity
from ostinato.experiments.fit import fit
from ostinato.experiments.flashrnn_nets import parity_net
from ostinato.experiments.flashrnn_parity import CLAIMS, NOT_SOLVED, SOLVED
from ostinato.tasks.running_parity import RunningParityTask


def test_every_claim_has_a_net():
    nets = flashrnn_parity._nets()
    assert set(nets) == set(SOLVED) | set(NOT_SOLVED)
    assert len(CLAIMS) == len(nets)
    torch.manual_seed(0)
    assert not nets["LSTM with R = 0"]().layer.cell.recur.weight.any()
    assert nets["LSTM"]().layer.cell.recur.weight.any()


def test_a_cell_in_heads_learns_parity_and_holds_it_beyond():
    torch.manual_seed(0)
    net = parity_net("SLSTM")
    before = flashrnn_parity._accuracy(net, 0, (16,))
    fit(net, RunningParityTask(16, seed=0), range(200), 200, 5e-3)
    assert before < 60
    assert flashrnn_parity._accuracy(net, 0, (16, 64)) > 95
