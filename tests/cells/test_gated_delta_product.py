from __future__ import annotations

import torch

import ostinato as ost
from ostinato.cells.delta_product import DeltaProductCell
from ostinato.cells.gated_delta_product import GatedDeltaProductCell


def test_the_gate_begins_slowly():
    cell = GatedDeltaProductCell(3, 64, heads=64)
    g = cell.factors(torch.zeros(1, 3)).g
    assert g.shape == (1, 64, 1)
    assert (g <= 0).all()
    assert g.min() > -16 * 0.1 * 1.01


def test_without_decay_it_is_delta_product():
    cell = GatedDeltaProductCell(3, 8, heads=2)
    plain = DeltaProductCell(3, 8, heads=2)
    plain.input.load_state_dict(cell.input.state_dict())
    with torch.no_grad():
        cell.A_log.fill_(-torch.inf)
    x = torch.randn(2, 9, 3)
    torch.testing.assert_close(ost.RNN(cell)(x), ost.RNN(plain)(x))
