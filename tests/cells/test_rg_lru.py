from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

import ostinato as ost
from ostinato.cells.rg_lru import RGLRUCell
from ostinato.core.errors import ArgumentError

F64 = torch.float64


def test_the_step_by_its_equations():
    cell, x = RGLRUCell(3, 4, dtype=F64), torch.randn(2, 7, 3, dtype=F64)
    torch.nn.init.normal_(cell.decay)
    r, i, u = (x @ cell.input.weight.T + cell.input.bias).chunk(3, -1)
    h, y = torch.zeros(2, 4, dtype=F64), ost.RNN(cell)(x)[0]
    for t in range(7):
        a = torch.sigmoid(-cell.decay) ** (8 * torch.sigmoid(r[:, t]))
        h = a * h + torch.sqrt(1 - a**2) * torch.sigmoid(i[:, t]) * u[:, t]
        torch.testing.assert_close(y[:, t], h)


def test_it_begins_with_decays_of_the_range():
    cell = RGLRUCell(1, 20_000, decay_min=0.5, decay_max=0.9, dtype=F64)
    decay = torch.exp(-8 * F.softplus(cell.decay.detach()))
    assert decay.min() >= 0.5 - 1e-12
    assert decay.max() <= 0.9 + 1e-12
    assert abs(float((decay < 0.7).double().mean()) - 0.5) < 0.02


def test_it_keeps_the_variance_of_its_input():
    cell = RGLRUCell(1, 1, decay_min=0.5, decay_max=0.5, dtype=F64)
    with torch.no_grad():
        cell.input.weight.copy_(torch.tensor([[0.0], [0.0], [1.0]]))
        cell.input.bias.copy_(torch.tensor([0.0, 1e4, 0.0]))
        y = ost.RNN(cell)(torch.randn(1, 20_000, 1, dtype=F64))[0]
    assert abs(float(y.var()) - 1) < 0.05


@pytest.mark.parametrize("engine", ["reference", "fused", "parallel"])
def test_decays_of_zero_and_one(engine):
    cell, x = RGLRUCell(3, 2), torch.randn(1, 9, 3)
    with torch.no_grad():
        cell.input.weight[2:] = 0
        cell.input.bias.copy_(torch.tensor([1e4, -1e4, 0, 0, 0, 7]))
        cell.decay.fill_(100.0)
    h = torch.ones(1, 2, requires_grad=True)
    last = ost.RNN(cell, engine)(x, h)[1]
    # Where a is 1 nothing comes in, whatever the input is.
    torch.testing.assert_close(last, torch.tensor([[0.0, 1.0]]), atol=1e-15, rtol=0)
    last.sum().backward()
    assert h.grad.tolist() == [[0.0, 1.0]]
    assert all(parameter.grad.isfinite().all() for parameter in cell.parameters())


@pytest.mark.parametrize("options", [{"sharpness": 0}, {"decay_max": 1.0}, {"decay_min": 0.9999}])
def test_options_out_of_range_are_refused(options):
    with pytest.raises(ArgumentError, match="RG-LRU needs"):
        RGLRUCell(3, 4, **options)
