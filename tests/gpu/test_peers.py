"""Kernels of other libraries on a device, where they are installed, against the loop."""

from __future__ import annotations

from importlib.util import find_spec

import pytest
import torch

import ostinato as ost
from ostinato.cells import make_cell

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]
PEERS = [
    ("accelerated-scan", "accelerated_scan", "MinGRU"),
    ("pararnn", "pararnn", "MinGRU"),
    ("flashrnn", "flashrnn", "LSTM"),
    ("flashrnn", "flashrnn", "GRU"),
    ("flashrnn", "flashrnn", "Elman"),
    ("flash-linear-attention", "fla", "GatedLinearAttention"),
    ("flash-linear-attention", "fla", "GatedDeltaNet"),
    ("flash-linear-attention", "fla", "Mamba2"),
    ("flash-linear-attention", "fla", "RWKV7"),
]


def outcome(cell, engine, x):
    """Outputs and all gradients."""
    x = x.clone().requires_grad_()
    y, _ = ost.RNN(cell, engine)(x)
    return [y, *torch.autograd.grad(y.square().sum(), [x, *cell.parameters()])]


@pytest.mark.parametrize(("engine", "module", "name"), PEERS)
def test_a_peer_computes_what_the_loop_does(engine, module, name):
    if find_spec(module) is None:
        pytest.skip(f"{module} is not installed")
    cell, x = make_cell(name, 32, 64).cuda(), torch.randn(16, 100, 32).cuda()
    found, expected = (outcome(cell, each, x) for each in (engine, "reference"))
    for a, b in zip(found, expected, strict=True):
        # Its products may round as the matrix units do.
        assert float((a - b).norm() / b.norm()) < 1e-2
