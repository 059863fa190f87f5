from __future__ import annotations

import torch

import ostinato as ost
from ostinato.cells.delta_product import DeltaProductCell
from ostinato.cells.gated_delta_product import GatedDeltaProductCell


def test_it_is_delta_product_with_a_gate():
    cell = GatedDeltaProductCell(3, 8, heads=2, updates=3)
    same = DeltaProductCell(3, 8, heads=2, updates=3, gate=True)
    same.load_state_dict(cell.state_dict())
    x = torch.randn(2, 9, 3)
    torch.testing.assert_close(ost.RNN(cell)(x), ost.RNN(same)(x))


def test_without_decay_it_is_delta_product():
    cell = GatedDeltaProductCell(3, 8, heads=2)
    plain = DeltaProductCell(3, 8, heads=2)
    plain.input.load_state_dict(cell.input.state_dict())
    with torch.no_grad():
        cell.A_log.fill_(-torch.inf)
    x = torch.randn(2, 9, 3)
    torch.testing.assert_close(ost.RNN(cell)(x), ost.RNN(plain)(x))
