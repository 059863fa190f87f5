"""The nets of the experiment on ParaRNN."""

from __future__ import annotations

import pytest
import torch

from ostinato.core.state import leaves, map_state
from ostinato.experiments.pararnn_nets import (
    Positions,
    language_net,
    parity_net,
    placed_net,
    recall_net,
    without_recurrent_weights,
)


@pytest.mark.parametrize("cell", ["ParaGRU", "ParaLSTM"])
def test_without_recurrent_weights_a_state_is_linear_in_the_one_before(cell):
    torch.manual_seed(0)
    net = parity_net(cell).double()
    step, size = net.layer.cell, 32

    def bend(x):
        """How far the memory is from affine between two states."""
        ends = [
            torch.rand(2, size, dtype=torch.float64) for _ in range(2 * (1 + (cell == "ParaLSTM")))
        ]
        low, high = ends[::2], ends[1::2]
        middle = [(a + b) / 2 for a, b in zip(low, high, strict=True)]
        found = [step(x, tuple(h) if len(h) > 1 else h[0])[1] for h in (low, middle, high)]
        a, m, b = (each[1] if isinstance(each, tuple) else each for each in found)
        return float((m - (a + b) / 2).detach().abs().max())

    x = torch.randn(2, size, dtype=torch.float64)
    assert bend(x) > 1e-3
    without_recurrent_weights(net)
    assert bend(x) < 1e-15
    assert not any(p.requires_grad for n, p in net.named_parameters() if n.endswith("recur"))


def test_it_reaches_every_cell_of_a_model():
    net = language_net("ParaLSTM", 5, 8, 2)
    without_recurrent_weights(net)
    held = {name for name, p in net.named_parameters() if not p.requires_grad}
    assert len(held) == 4
    assert all(name.endswith(("recur", "peepholes")) for name in held)


def test_how_the_parity_net_begins():
    torch.manual_seed(0)
    cell = parity_net("ParaGRU", 400).layer.cell
    assert cell.clip is None
    assert float(cell.recur.detach().std()) == pytest.approx(0.5, rel=0.1)
    assert float(cell.input.bias.detach().abs().max()) == pytest.approx(1 / 20, rel=0.01)


def test_a_symbol_is_told_apart_by_its_place():
    torch.manual_seed(0)
    code = Positions(3, 6, 8)(torch.zeros(1, 6, dtype=torch.int64)).detach()
    assert torch.cdist(code[0], code[0])[0, 1:].min() > 0.5
    net = placed_net("ParaGRU", 3, 6)
    assert net(torch.zeros(2, 6, dtype=torch.int64))[0].shape == (2, 3)


@pytest.mark.parametrize("cell", ["ParaGRU", "ParaLSTM"])
def test_a_net_for_recall_begins_remembering(cell):
    net = recall_net(cell, 5, 8, 2)
    for block in net.layer.layers:
        step = block.recurrence.cell
        assert step.clip == 0.9
        without_recurrent_weights(step)
        ones = map_state(torch.ones_like, step.initial_state(1))
        memory = leaves(step(torch.zeros(1, 8), ones)[1])[-1]
        torch.testing.assert_close(memory[0].detach(), torch.sigmoid(torch.linspace(0, 4, 8)))
