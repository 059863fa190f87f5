from __future__ import annotations

import math

import pytest
import torch

import ostinato as ost
from ostinato.cells.rwkv7 import RWKV7Cell
from ostinato.core.errors import ArgumentError

F64 = torch.float64


def made(**options):
    cell = RWKV7Cell(3, 8, heads=2, rank=2, dtype=F64, **options)
    with torch.no_grad():
        for p in (cell.erase_scale, cell.write_scale, cell.bonus):
            p.normal_()
    return cell


def test_the_transition_by_its_equations():
    cell, x = made(), torch.randn(1, 6, 3, dtype=F64)
    y, last = ost.RNN(cell, "reference")(x)
    with torch.no_grad():
        r, k, v = (x[0] @ cell.input.weight.T).view(6, 3, 2, 4).unbind(1)
        w = torch.exp(-math.exp(-0.5) * torch.sigmoid(cell.decay(x[0]))).view(6, 2, 4)
        a = torch.sigmoid(cell.rate(x[0])).view(6, 2, 4)
    for head in range(2):
        state = torch.zeros(4, 4, dtype=F64)
        for t in range(6):
            erased = k[t, head] * cell.erase_scale[head]
            erased = erased / erased.norm()
            key = k[t, head] * (1 + (a[t, head] - 1) * cell.write_scale[head])
            transition = torch.diag(w[t, head]) - torch.outer(a[t, head] * erased, erased)
            state = transition @ state + torch.outer(key, v[t, head])
            bonus = (r[t, head] * cell.bonus[head] * key).sum() * v[t, head]
            expected = state.T @ r[t, head] + bonus
            torch.testing.assert_close(y[0, t].view(2, 4)[head], expected, atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(last[0, head], state, atol=1e-4, rtol=1e-4)


def test_decays_are_bounded():
    g = made().factors(1e3 * torch.randn(50, 3, dtype=F64)).g
    assert g.max() <= 0
    assert g.min() >= -math.exp(-0.5)


def test_options_that_do_not_fit_are_refused():
    with pytest.raises(ArgumentError, match="heads=3, rank=16"):
        RWKV7Cell(3, 8, heads=3)
