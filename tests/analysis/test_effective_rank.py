from __future__ import annotations

import pytest
import torch

import ostinato as ost
from ostinato.analysis.effective_rank import effective_rank
from ostinato.cells import make_cell
from ostinato.core.errors import CellError

F64 = torch.float64


class Given(ost.Cell):
    """The state becomes what it reads."""

    def initial_state(self, batch_size):
        return torch.zeros(batch_size, dtype=F64), self.zeros(batch_size, 1, 3, 4).double()

    def forward(self, x, state):
        return x, (state[0], x)


def test_equal_singular_values_count_one_each_and_zero_has_none():
    x = torch.zeros(1, 4, 1, 3, 4, dtype=F64)
    x[0, 1, 0, 0] = torch.randn(4, dtype=F64)
    x[0, 2, 0, :2, :2] = -7 * torch.eye(2, dtype=F64)
    x[0, 3, 0, :, :3] = torch.diag(torch.tensor([2.0, 1, 1]))
    found = effective_rank(Given(), x)
    expected = torch.tensor([0, 1, 2, 2 ** (0.5 + 1)], dtype=F64)
    torch.testing.assert_close(found.ranks[0, :, 0], expected)
    assert found.largest == 3
    assert found.table().headings[1] == "effective rank"
    assert found.table().rows[2] == [2, pytest.approx(2), pytest.approx(2), pytest.approx(2)]


def test_a_write_adds_at_most_one():
    cell, x = make_cell("DeltaNet", 3, 8, heads=2), torch.randn(2, 6, 3)
    found = effective_rank(cell, x)
    assert found.ranks.shape == (2, 6, 2)
    torch.testing.assert_close(found.ranks[:, 0], torch.ones(2, 2))
    assert (found.ranks[:, 1] <= 2).all()
    assert found.plot().axes[0].get_ylabel() == "effective rank of the state"


def test_a_vector_has_none():
    with pytest.raises(CellError, match=r"ElmanCell has no effective rank: .* than \[2, 4\]"):
        effective_rank(make_cell("Elman", 3, 4), torch.randn(2, 5, 3))
