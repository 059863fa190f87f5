from __future__ import annotations

import torch
from torch import nn

import ostinato as ost
from ostinato.experiments.fit import fit
from ostinato.experiments.pararnn_nets import parity_net, without_recurrent_weights
from ostinato.models.sequence_model import SequenceModel
from ostinato.tasks.running_parity import RunningParityTask
from ostinato.tasks.task import Batch


class Counting(RunningParityTask):
    """A stream of ones, whose batches continue one another."""

    continues = True

    def batch(self, step, batch_size):
        inputs = torch.ones(batch_size, 4, dtype=torch.int64)
        return Batch(inputs, inputs)


class Counter(ost.Cell):
    """Counts steps, and remembers the largest count."""

    def __init__(self):
        super().__init__()
        self.input_size, self.largest = 2, 0
        self.weight = nn.Parameter(torch.ones(1))

    def initial_state(self, batch_size):
        return self.weight.new_zeros(batch_size, 1)

    def forward(self, x, h):
        h = h + 1
        self.largest = max(self.largest, int(h.max()))
        return self.weight * h, h


def test_training_carries_the_state_of_a_stream():
    task, cell = Counting(), Counter()
    net = SequenceModel(nn.Embedding(2, 2), ost.RNN(cell, "reference"), nn.Linear(1, 2))
    losses = fit(net, task, range(3), 3, 1e-2, 2)
    assert cell.largest == 12
    assert len(losses) == 3
    assert losses[-1] < losses[0]


def test_training_learns_and_holds_what_it_should():
    torch.manual_seed(0)
    net = parity_net("ParaGRU", 8)
    without_recurrent_weights(net)
    losses = fit(net, RunningParityTask(steps=2), range(60), 60, 2e-2)
    assert losses[-1] < losses[0] - 0.05
    assert not net.layer.cell.recur.any()
