"""The adapter of FlashRNN, with its function in plain torch, written from its equations."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from ostinato.cells import make_cell
from ostinato.cells.block_linear import BlockLinear

from .conftest import assert_same, reason


def flashrnn(wx, r, b, states=None, function="lstm", config=None, backend="cuda_fused", dtype=None):
    """Wx (B, T, G_w, N, D), R (G_r, N, D_out, D_in), b (G_t, N, D), states (S, B, 1, N, D)."""
    assert dtype == "float32"
    state, all_states = list(states[:, :, 0]), []
    for x in wx.unbind(1):
        ry = torch.einsum("gnoi,bni->bgno", r, state[0])
        state = POINTWISE[function](x, ry, b, state)
        all_states.append(torch.stack(state))
    states = torch.stack(all_states, 2)
    return states, states[:, :, -1:]


def lstm(x, ry, b, state):
    i, f, z, o = (x + ry + b).unbind(1)
    c = torch.sigmoid(f) * state[1] + torch.sigmoid(i) * torch.tanh(z)
    return [torch.sigmoid(o) * torch.tanh(c), c]


def gru(x, ry, b, state):
    """R: g, r, z; Wx: r, z, n; b: g, r, z, n."""
    g = ry[:, 0] + b[0]
    r, u = (torch.sigmoid(x[:, i] + ry[:, 1 + i] + b[1 + i]) for i in range(2))
    n = torch.tanh(x[:, 2] + b[3] + r * g)
    return [u * state[0] + (1 - u) * n]


def elman(x, ry, b, state):
    return [torch.tanh((x + ry + b)[:, 0])]


POINTWISE = {"lstm": lstm, "gru": gru, "elman": elman}
PARTS = {"LSTM": 4, "GRU": 3, "Elman": 1}


@pytest.fixture(autouse=True)
def peer(install):
    install(flashrnn={"flashrnn": flashrnn})


def headed(name, heads, **options):
    """A cell whose map of the state is block-diagonal."""
    cell = make_cell(name, 3, 8, **options)
    biased = cell.recur.bias is not None
    cell.recur = BlockLinear(8, 8, heads, PARTS[name], bias=biased)
    return cell


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("heads", [1, 4])
@pytest.mark.parametrize("name", PARTS)
def test_values_and_gradients(name, heads, reverse):
    cell = headed(name, heads) if heads > 1 else make_cell(name, 3, 8)
    leaf = torch.randn(2, 8)
    state = (leaf, torch.randn(2, 8)) if name == "LSTM" else (leaf,)
    assert_same(cell, "flashrnn", torch.randn(2, 5, 3), state=state, reverse=reverse)


@pytest.mark.parametrize("name", PARTS)
def test_both_biases(name):
    cell = make_cell(name, 3, 8, recurrent_bias=True)
    assert_same(cell, "flashrnn", torch.randn(2, 5, 3))
    assert_same(headed(name, 2, recurrent_bias=True), "flashrnn", torch.randn(2, 5, 3))


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("Elman", {"activation": "relu"}, "no function like torch.rnn_relu"),
        ("LSTM", {"projection": 4}, "no projection"),
        ("LSTM", {"peepholes": True}, "no peepholes"),
        ("GRU", {"reset_after": False}, "resets after"),
        ("MinGRU", {}, "equations of MinGRUCell"),
    ],
)
def test_cells_with_other_equations(name, options, said):
    assert said in reason(make_cell(name, 3, 8, **options), "flashrnn", torch.randn(2, 5, 3))


def test_a_map_that_only_looks_block_diagonal():
    class Doubled(BlockLinear):
        def forward(self, x):
            return 2 * super().forward(x)

    cell = make_cell("LSTM", 3, 8)
    cell.recur = Doubled(8, 8, 2, 4, bias=False)
    assert "not that of its weight" in reason(cell, "flashrnn", torch.randn(2, 5, 3))
    cell.input = nn.Sequential(cell.input)
    cell.recur = BlockLinear(8, 8, 2, 4, bias=False)
    assert "plain linear maps" in reason(cell, "flashrnn", torch.randn(2, 5, 3))
