from __future__ import annotations

import torch

import ostinato as ost
from ostinato.cells.gated_delta_net import GatedDeltaNetCell
from ostinato.cells.gated_delta_product import GatedDeltaProductCell


def test_it_is_gated_delta_product_with_one_correction():
    cell = GatedDeltaNetCell(3, 8, heads=2, key_size=3, negative_eigenvalues=True)
    same = GatedDeltaProductCell(3, 8, heads=2, key_size=3, updates=1)
    same.load_state_dict(cell.state_dict())
    x = torch.randn(2, 9, 3)
    torch.testing.assert_close(ost.RNN(cell)(x), ost.RNN(same)(x))


def test_beta_reaches_1_only():
    beta = GatedDeltaNetCell(3, 8).factors(1e3 * torch.randn(20, 3)).beta
    assert 0.9 < beta.max() <= 1
