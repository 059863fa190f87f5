from __future__ import annotations

import torch

import ostinato as ost
from ostinato.cells.gru import GRUCell


def test_the_two_reset_conventions_are_what_they_say():
    x, h = torch.randn(2, 3), torch.randn(2, 4)
    for after in (True, False):
        cell = GRUCell(3, 4, reset_after=after)
        W, b = cell.input.weight, cell.input.bias
        U, d = cell.recur.weight, cell.recur.bias
        r = torch.sigmoid(x @ W[:4].T + b[:4] + h @ U[:4].T + d[:4])
        z = torch.sigmoid(x @ W[4:8].T + b[4:8] + h @ U[4:8].T + d[4:8])
        if after:
            inner = r * (h @ U[8:].T + d[8:])
        else:
            inner = (r * h) @ cell.recur_new.weight.T + cell.recur_new.bias
        n = torch.tanh(x @ W[8:].T + b[8:] + inner)
        torch.testing.assert_close(cell(x, h)[0], (1 - z) * n + z * h)


def test_without_biases():
    cell = GRUCell(3, 4, bias=False)
    assert sum(1 for _ in cell.parameters()) == 2
    x = torch.randn(2, 5, 3)
    assert torch.allclose(ost.RNN(cell)(x)[0], ost.RNN(cell, "reference")(x)[0], atol=1e-6)
