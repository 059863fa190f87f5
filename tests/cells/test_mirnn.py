from __future__ import annotations

import torch

from ostinato.cells.elman import ElmanCell
from ostinato.cells.mirnn import MIRNNCell

F64 = torch.float64


def test_the_step_by_its_equation():
    cell = MIRNNCell(3, 4, activation="sigmoid", dtype=F64)
    x, h = torch.randn(2, 3, dtype=F64), torch.randn(2, 4, dtype=F64)
    w, u = cell.input(x), cell.recur(h)
    a = cell.product * w * u + cell.state_gain * u + cell.input_gain * w + cell.bias
    torch.testing.assert_close(cell(x, h)[0], torch.sigmoid(a))


def test_without_products_it_is_an_elman_network():
    cell, elman = MIRNNCell(3, 4, dtype=F64), ElmanCell(3, 4, dtype=F64)
    with torch.no_grad():
        cell.product.zero_()
        cell.state_gain.fill_(1)
        cell.input_gain.fill_(1)
        cell.bias.copy_(elman.input.bias)
        cell.input.weight.copy_(elman.input.weight)
        cell.recur.weight.copy_(elman.recur.weight)
    x, h = torch.randn(2, 3, dtype=F64), torch.randn(2, 4, dtype=F64)
    torch.testing.assert_close(cell(x, h)[0], elman(x, h)[0])


def test_parameters():
    assert sum(p.numel() for p in MIRNNCell(5, 8).parameters()) == 5 * 8 + 8 * 8 + 4 * 8
