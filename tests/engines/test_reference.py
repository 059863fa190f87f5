from __future__ import annotations

import torch
from torch import nn
from torch.nn.utils import parametrize

import ostinato as ost
from ostinato.cells import make_cell


class Counted(nn.Module):
    calls = 0

    def forward(self, weight):
        Counted.calls += 1
        return weight * 0.5


def test_a_parametrised_weight_is_computed_once_a_call():
    cell = make_cell("MinimalGated", 3, 4)
    parametrize.register_parametrization(cell.recur_gate, "weight", Counted())
    for checkpoint, most in ((None, 1), (4, 6)):
        Counted.calls = 0
        y, _ = ost.RNN(cell, "reference")(torch.randn(2, 12, 3), checkpoint=checkpoint)
        y.sum().backward()
        assert Counted.calls == most


def test_hooks_of_the_cell_run_at_every_step():
    seen = []
    cell = make_cell("GRU", 3, 4)
    cell.register_forward_hook(lambda *_: seen.append(1))
    ost.RNN(cell, "reference")(torch.randn(2, 5, 3))
    assert len(seen) == 5
