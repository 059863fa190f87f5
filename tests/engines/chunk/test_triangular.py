from __future__ import annotations

import pytest
import torch

from ostinato.engines.chunk.triangular import join, lower_block, unit_inverse


@pytest.mark.parametrize("size", [1, 3, 16, 48])
def test_unit_inverse(size):
    strict = torch.randn(2, 3, size, size, dtype=torch.float64).tril(-1) / 4
    eye = torch.eye(size, dtype=torch.float64)
    torch.testing.assert_close(unit_inverse(strict) @ (eye + strict), eye.expand(2, 3, size, size))


def test_blocks_below_the_diagonal_go_back_where_they_were():
    matrix = torch.randn(8, 4).tril_().view(8, 4)
    whole = torch.kron(torch.ones(4, 4).tril(), torch.ones(2, 1)) * matrix
    lower = lower_block(whole, 2)
    assert lower[1].equal(whole[6:8, 2:3])
    diagonal = torch.stack([whole[2 * i : 2 * i + 2, i : i + 1] for i in range(4)])
    pairs = join(diagonal, lower)
    assert join(pairs, lower_block(whole, 1))[0].equal(whole)
