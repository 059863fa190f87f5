"""The nets of the experiment on FlashRNN."""

from __future__ import annotations

import pytest
import torch

from ostinato.experiments.flashrnn_nets import (
    CELLS,
    Transformer,
    parity_net,
    without_memory_mixing,
)
from ostinato.models.time.flashrnn import FlashRNN, FlashRNNConfig


@pytest.mark.parametrize("cell", CELLS)
def test_without_memory_mixing_gates_see_the_input_only(cell):
    torch.manual_seed(0)
    net = parity_net(cell, 8, 2)
    for parameter in net.layer.cell.recur.parameters():
        torch.nn.init.normal_(parameter)
    step = net.layer.cell
    x, state = torch.randn(1, 8), step.initial_state(1)
    others = [torch.randn(1, 8)]

    def moved():
        """How far another h moves the output, where c and n are the same."""
        if isinstance(state, tuple):
            return float((step(x, (others[0], *state[1:]))[0] - step(x, state)[0]).abs().max())
        z = torch.sigmoid((step.input(x) + step.recur(state))[:, 8:16]) if cell == "GRU" else 0
        return float((step(x, others[0])[0] - step(x, state)[0] - z * others[0]).abs().max())

    with torch.no_grad():
        assert moved() > 1e-2
        without_memory_mixing(net)
        assert moved() < 1e-6
    held = {name for name, p in net.named_parameters() if not p.requires_grad}
    assert held
    assert all("recur." in name for name in held)


def test_it_reaches_every_block_of_a_model():
    net = FlashRNN(FlashRNNConfig(symbols=5, width=8, layers=2, heads=2))
    without_memory_mixing(net)
    assert sum(not p.requires_grad for p in net.parameters()) == 2


def test_the_lstm_begins_with_an_open_forget_gate():
    assert (parity_net("LSTM", 8, 2).layer.cell.input.bias[8:16] == 1).all()


def test_the_transformer_is_causal_and_tells_places_apart():
    torch.manual_seed(0)
    net, bits = Transformer(6, 8, 2).eval(), torch.zeros(1, 6, dtype=torch.int64)
    logits, state = net(bits)
    assert state is None
    assert logits.shape == (1, 6, 2)
    changed = bits.clone()
    changed[0, 4] = 1
    other = net(changed)[0]
    torch.testing.assert_close(other[:, :4], logits[:, :4])
    assert (other - logits).abs().amax(-1)[0, 4:].min() > 1e-4
    assert (logits[0, 1:] - logits[0, :-1]).abs().max() > 1e-3
    torch.testing.assert_close(net(bits[:, :3], None, None, None)[0], logits[:, :3])
