"""The torch engine says why it declines, and is right where it does not."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import ostinato as ost
from ostinato.cells import make_cell
from ostinato.core.registry import recorded_decisions
from ostinato.engines.fused.toolchain import find_compiler


def reason(layer, *args, **kwargs):
    with recorded_decisions() as decisions:
        layer(*args, **kwargs)
    return decisions[0].reasons["torch"]


@pytest.mark.parametrize(
    ("name", "options", "expected"),
    [
        ("LSTM", {}, None),
        ("LSTM", {"projection": 2}, None),
        ("LSTM", {"peepholes": True}, "peepholes"),
        ("LSTM", {"coupled": True}, "this cell has f, g, o"),
        ("LSTM", {"forget_gate": False}, "this cell has i, g, o"),
        ("GRU", {}, None),
        ("GRU", {"bias": False}, None),
        ("GRU", {"reset_after": False}, "resets after the product"),
        ("Elman", {"activation": "relu"}, None),
        ("Elman", {"activation": "softplus"}, "tanh and relu only"),
        ("LayerNormGRU", {}, "no module with the equations"),
        ("SLSTM", {}, "torch has no slstm"),
    ],
)
def test_which_cells_it_takes(name, options, expected):
    found = reason(ost.RNN(make_cell(name, 3, 4, **options)), torch.randn(2, 5, 3))
    assert found is None if expected is None else expected in found


def test_which_calls_it_takes():
    layer, x = ost.RNN(make_cell("LSTM", 3, 4)), torch.randn(2, 5, 3)
    assert reason(layer, x, lengths=[5, 2]) is None
    assert "length 0" in reason(layer, x, lengths=[5, 0])
    assert "reset" in reason(layer, x, resets=torch.zeros(2, 5, dtype=torch.bool))
    assert "checkpoint" in reason(layer, x, checkpoint=True)
    assert "without steps" in reason(layer, x[:, :0])
    assert "not a cell alone" in reason(layer, x, return_states=True)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert "low precision" in reason(layer, x)
    with torch.autograd.forward_ad.dual_level():
        assert "forward-mode" in reason(layer, x)
    with recorded_decisions() as decisions:
        torch.func.vmap(lambda row: layer(row)[0])(x[None])
    assert "torch.func" in decisions[0].reasons["torch"]


def test_a_changed_cell_is_noticed():
    cell = make_cell("LSTM", 3, 4)
    cell.readout = nn.LayerNorm(4)
    assert "read-out" in reason(ost.RNN(cell), torch.randn(2, 5, 3))
    cell = make_cell("GRU", 3, 4)
    cell.recur = nn.Sequential(cell.recur, nn.LayerNorm(12))
    assert "plain linear" in reason(ost.RNN(cell), torch.randn(2, 5, 3))


def test_weights_are_read_at_every_call():
    layer, x = ost.RNN(make_cell("LSTM", 3, 4), engine="torch"), torch.randn(2, 5, 3)
    before, _ = layer(x)
    with torch.no_grad():
        layer.cell.recur.weight.mul_(2)
    assert not torch.equal(layer(x)[0], before)
    assert torch.allclose(layer(x)[0], ost.RNN(layer.cell, "reference")(x)[0], atol=1e-6)


def test_hooks_on_a_map_are_not_lost():
    """A hook changes what the map computes, so the torch function would be another one."""
    layer, x = ost.RNN(make_cell("GRU", 3, 4)), torch.randn(2, 5, 3)
    layer.cell.input.register_forward_hook(lambda module, args, output: output * 0)
    assert "hook" in reason(layer, x)
    assert torch.allclose(layer(x)[0], layer(torch.randn(2, 5, 3))[0])


@pytest.mark.parametrize(("steps", "training", "chosen"), [
    (2, True, "torch"), (2, False, "torch"), (50, False, "torch"), (50, True, "fused"),
    (400, False, "fused"),
])  # fmt: skip
def test_auto_leaves_short_calls_to_torch(steps, training, chosen):
    cell = make_cell("LSTM", 64, 64)
    with torch.set_grad_enabled(training), recorded_decisions() as decisions:
        ost.RNN(cell)(torch.randn(8, steps, 64))
    assert decisions[0].chosen == (chosen if find_compiler() else "torch")


def test_auto_leaves_unequal_lengths_to_generated_code():
    layer, x = ost.RNN(make_cell("LSTM", 3, 4)), torch.randn(2, 5, 3)
    with recorded_decisions() as decisions:
        layer(x, lengths=torch.tensor([5, 2]))
        layer(x)
    chosen = [decision.chosen for decision in decisions]
    assert chosen == ["fused" if find_compiler() else "torch", "torch"]
