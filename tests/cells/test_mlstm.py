from __future__ import annotations

import pytest
import torch

import ostinato as ost
from ostinato.cells.mlstm import MLSTMCell
from ostinato.core.errors import ArgumentError

F64 = torch.float64


def made(**options):
    cell = MLSTMCell(3, 8, heads=2, key_size=3, dtype=F64, **options)
    torch.nn.init.normal_(cell.gates.weight)
    return cell


@pytest.mark.parametrize("engine", ["reference", "chunk"])
def test_it_is_the_memory_without_a_stabiliser(engine):
    cell, x = made(), torch.randn(1, 9, 3, dtype=F64)
    y, (c, n, m) = ost.RNN(cell, engine)(x)
    q, k, v, gate = (x[0] @ cell.input.weight.T).split([6, 6, 8, 8], -1)
    entering, forget = (x[0] @ cell.gates.weight.T + cell.gates.bias).split([2, 2], -1)
    for head in range(2):
        memory, total = torch.zeros(3, 4, dtype=F64), torch.zeros(3, dtype=F64)
        for t in range(9):
            key = k[t].view(2, 3)[head] / 3**0.5
            keep, write = torch.sigmoid(forget[t, head]), torch.exp(entering[t, head])
            memory = keep * memory + write * torch.outer(key, v[t].view(2, 4)[head])
            total = keep * total + write * key
            query = q[t].view(2, 3)[head]
            h = memory.T @ query / (total @ query).abs().clamp(min=1)
            h = torch.sigmoid(gate[t].view(2, 4)[head]) * h
            torch.testing.assert_close(y[0, t].view(2, 4)[head], h)
        scale = m[0, head].exp()
        torch.testing.assert_close(scale * c[0, head], memory)
        torch.testing.assert_close(scale * n[0, head], total)


@pytest.mark.parametrize("engine", ["reference", "chunk"])
def test_large_gates_do_not_overflow(engine):
    cell, x = MLSTMCell(3, 8), torch.randn(2, 50, 3, requires_grad=True)
    with torch.no_grad():
        cell.gates.weight.normal_(std=100)
    y = ost.RNN(cell, engine)(x)[0]
    y.sum().backward()
    assert y.isfinite().all()
    assert x.grad.isfinite().all()


def test_options_that_do_not_fit_are_refused():
    with pytest.raises(ArgumentError, match="heads must divide the hidden size 8; got heads=3"):
        MLSTMCell(3, 8, heads=3)
    with pytest.raises(ArgumentError, match="key_size must be at least 1; got 0"):
        MLSTMCell(3, 8, key_size=0)
