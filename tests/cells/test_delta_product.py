from __future__ import annotations

import pytest
import torch

import ostinato as ost
from ostinato.cells.delta_product import DeltaProductCell, unit
from ostinato.core.errors import ArgumentError

F64 = torch.float64


def test_the_step_by_its_equations():
    cell = DeltaProductCell(3, 4, heads=2, key_size=3, updates=2, dtype=F64)
    x, silu = torch.randn(1, 5, 3, dtype=F64), torch.nn.functional.silu
    y, state = ost.RNN(cell, "reference")(x)
    q, k, v, b = (x[0] @ cell.input.weight.T).split([6, 12, 8, 4], -1)
    for head in range(2):
        found = torch.zeros(3, 2, dtype=F64)
        for t in range(5):
            for j in range(2):
                key = silu(k[t].view(2, 2, 3)[j, head])
                key = key / (key @ key + 1e-6).sqrt()
                value = silu(v[t].view(2, 2, 2)[j, head])
                beta = 2 * torch.sigmoid(b[t].view(2, 2)[j, head])
                found = found + beta * torch.outer(key, value - found.T @ key)
            query = silu(q[t].view(2, 3)[head])
            query = query / (query @ query + 1e-6).sqrt() / 3**0.5
            torch.testing.assert_close(y[0, t].view(2, 2)[head], found.T @ query)
        torch.testing.assert_close(state[0, head], found)


def test_unit_vectors():
    x = torch.tensor([[3.0, 4.0], [0.0, 0.0]], requires_grad=True)
    found = unit(x)
    torch.testing.assert_close(found, torch.tensor([[0.6, 0.8], [0, 0]]))
    found.sum().backward()
    assert x.grad.isfinite().all()


def test_options_that_do_not_fit_are_refused():
    with pytest.raises(ArgumentError, match="heads must divide the hidden size 8; got heads=3"):
        DeltaProductCell(3, 8, heads=3)
    with pytest.raises(ArgumentError, match="key_size and updates must be at least 1; got 8 and 0"):
        DeltaProductCell(3, 8, updates=0)
