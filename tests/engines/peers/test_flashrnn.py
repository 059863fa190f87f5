"""The adapter of FlashRNN, with its function in plain torch, written from its equations."""

from __future__ import annotations

import sys
from functools import partial

import pytest
import torch
from torch import nn

import ostinato as ost
from ostinato.cells import make_cell
from ostinato.cells.block_linear import BlockLinear

from .conftest import assert_same, reason


def flashrnn(wx, r, b, states=None, function="lstm", config=None, backend="cuda_fused", dtype=None):
    """Wx (B, T, G_w, N, D), R (G_r, N, D_out, D_in), b (G_t, N, D), states (S, B, 1, N, D)."""
    assert {str(each.dtype) for each in (wx, r, b, states)} == {f"torch.{dtype}"}
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


def slstm(x, ry, b, state):
    """i, f, z, o; which step is the first is told for each unit."""
    i, f, z, o = (x + ry + b).unbind(1)
    _, c, n, m = state
    kept = torch.nn.functional.logsigmoid(f) + m
    m = torch.where(n == 0, i, torch.maximum(i, kept))
    decay, entering = torch.exp(kept - m), torch.exp(i - m)
    c, n = decay * c + entering * torch.tanh(z), (decay * n + entering).clamp(min=1)
    return [torch.sigmoid(o) * c / n, c, n, m]


POINTWISE = {"lstm": lstm, "gru": gru, "elman": elman, "slstm": slstm}
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


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_low_precision(dtype):
    cell, x = headed("LSTM", 2).to(dtype), torch.randn(2, 5, 3, dtype=dtype)
    y, expected = (ost.RNN(cell, engine)(x)[0] for engine in ("flashrnn", "reference"))
    assert y.dtype == dtype
    torch.testing.assert_close(y, expected, rtol=0.05, atol=0.02)


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


def drawn_slstm(heads):
    """With a map of the state that is not zero, as it begins."""
    cell = make_cell("SLSTM", 3, 8, heads=heads)
    torch.nn.init.normal_(cell.recur.weight, std=0.5)
    h, c, m = torch.randn(3, 2, 8)
    return cell, (h, c, 1 + torch.rand(2, 8), m)


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("heads", [1, 4])
def test_slstm(heads, reverse):
    cell, state = drawn_slstm(heads)
    assert_same(cell, "flashrnn", torch.randn(2, 5, 3), state=state, reverse=reverse)
    assert_same(cell, "flashrnn", torch.randn(2, 5, 3), reverse=reverse)


def test_an_slstm_is_no_function_of_torch():
    cell = make_cell("SLSTM", 3, 8)
    cell.recur = nn.Linear(8, 32, bias=False)
    assert "torch has no function slstm" in reason(cell, "torch", torch.randn(2, 5, 3))


@pytest.mark.parametrize("heads", [1, 4])
@pytest.mark.parametrize("name", [*PARTS, "SLSTM"])
def test_values_are_those_of_the_library_itself(name, heads, monkeypatch):
    """By its slowest form, which needs no device."""
    monkeypatch.delitem(sys.modules, "flashrnn")
    library = pytest.importorskip("flashrnn")
    vanilla = partial(library.flashrnn, backend="vanilla")
    monkeypatch.setattr(library, "flashrnn", vanilla)
    if name == "SLSTM":
        cell, state = drawn_slstm(heads)
    else:
        cell, several = headed(name, heads), name == "LSTM"
        state = tuple(torch.randn(1 + several, 2, 8))
    state = state if len(state) > 1 else state[0]
    x = torch.randn(2, 5, 3)
    found, expected = (ost.RNN(cell, engine)(x, state) for engine in ("flashrnn", "reference"))
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
