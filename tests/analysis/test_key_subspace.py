from __future__ import annotations

import pytest
import torch

from ostinato.analysis.key_subspace import key_subspace
from ostinato.cells import make_cell
from ostinato.core.errors import CellError
from ostinato.engines.chunk.matrix_cell import Factors, MatrixCell


class Given(MatrixCell):
    """One head whose keys and β are read."""

    heads, key_size, value_size = 1, 4, 1

    def factors(self, x):
        k = x[:, None, None, :4]
        return Factors(k[:, 0], k, k[..., :1], erase=k, beta=x[:, None, 4:])


def test_keys_in_a_plane_and_one_that_does_nothing():
    x = torch.zeros(1, 3, 5)
    x[0, 0, :2] = torch.tensor([0.6, 0.8])
    x[0, 1, 0] = x[0, 2, 3] = 1
    x[0, :2, 4] = 2
    found = key_subspace(Given(), x)
    # M = ½ (k₁ k₁ᵀ + k₂ k₂ᵀ), whose eigenvalues are (1 ± cos) / 2 of the angle between
    torch.testing.assert_close(found.shares, torch.tensor([[0.8, 1, 1, 1]]))
    assert found.dimensions().tolist() == [2]
    assert found.dimensions(0.7).tolist() == [1]
    assert found.beta.tolist() == pytest.approx([4 / 3])
    assert found.table().rows[0][:4] == [0, 2, pytest.approx(4 / 3), 2]


def test_every_head_of_a_cell():
    cell = make_cell("DeltaProduct", 3, 8, heads=2)
    found = key_subspace(cell, torch.randn(2, 9, 3))
    assert found.shares.shape == (2, 4)
    torch.testing.assert_close(found.shares[:, -1], torch.ones(2))
    assert found.plot().axes[0].get_xlabel() == "dimensions"


@pytest.mark.parametrize("name", ["GRU", "Mamba2"])
def test_a_cell_without_such_keys(name):
    with pytest.raises(CellError, match="no subspace of keys"):
        key_subspace(make_cell(name, 3, 4), torch.randn(1, 2, 3))
