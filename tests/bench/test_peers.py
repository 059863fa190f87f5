"""Peers compute the layer's function with the layer's parameters."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import ostinato as ost
from ostinato.bench.peers import (
    Compiled,
    PythonLoop,
    compiled_loop,
    compiled_step,
    corresponding,
    on_engine,
    torch_module,
)
from ostinato.bench.steps import LSTMStep

PEERS = {"loop": PythonLoop, "reference": on_engine("reference"), "torch": torch_module(nn.LSTM)}


@pytest.mark.parametrize("peer", PEERS.values(), ids=PEERS)
def test_a_peer_is_the_layer(peer):
    cell, x = LSTMStep(3, 4), torch.randn(2, 5, 3)
    module = peer(cell)
    expected, state = ost.RNN(cell, "reference")(x)
    y, (h, _) = module(x)
    assert torch.allclose(y, expected, atol=1e-6)
    assert torch.allclose(h.view(2, 4), state[0], atol=1e-6)
    for a, b in zip(cell.parameters(), corresponding(module), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize("peer", [compiled_step, compiled_loop])
def test_what_is_compiled_is_the_loop(peer, monkeypatch):
    compiled = []

    def compile(function, **options):
        compiled.append(options)
        return function

    monkeypatch.setattr(torch, "compile", compile)
    cell, x = LSTMStep(3, 4), torch.randn(2, 5, 3)
    module = peer(cell)
    assert torch.equal(module(x)[0], PythonLoop(cell)(x)[0])
    assert compiled == [{"fullgraph": True, "dynamic": False}]
    assert [id(p) for p in corresponding(module)] == [id(p) for p in cell.parameters()]


@pytest.mark.slow
def test_torch_compile_takes_the_loop():
    cell, x = LSTMStep(3, 4), torch.randn(2, 4, 3)
    assert torch.allclose(Compiled(PythonLoop(cell))(x)[0], PythonLoop(cell)(x)[0], atol=1e-6)
