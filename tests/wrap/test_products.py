"""Products are told apart by what they depend on, not by their names."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from ostinato.cells.gru import GRUCell
from ostinato.cells.lstm import LSTMCell
from ostinato.core.cell import Cell
from ostinato.wrap import Zoneout
from ostinato.wrap.products import Products, linear_maps, observe, products

from .toys import Plain, Tree


class Misnamed(Cell):
    """Names that say the opposite, a map that is not called, and one of a constant."""

    def __init__(self) -> None:
        super().__init__()
        self.input_size = 3
        self.recur = nn.Linear(3, 4)
        self.input = nn.Linear(4, 4)
        self.unused = nn.Linear(3, 4)
        self.constant = nn.Linear(1, 4)
        self.joint = nn.Linear(7, 4)

    def initial_state(self, batch_size: int) -> Tensor:
        return self.zeros(batch_size, 4)

    def forward(self, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        gate = self.joint(torch.cat([x, h], -1)) + self.constant(torch.ones(1))
        h = torch.tanh(self.recur(x) + self.input(h)) * gate
        return h, h


def found(cell: Cell) -> Products:
    return products(cell, observe(cell))


def test_names_do_not_matter() -> None:
    assert found(Misnamed()) == Products(["recur"], ["input"], ["joint"])


@pytest.mark.parametrize("cell", [Plain(3, 4), LSTMCell(3, 4), GRUCell(3, 4)])
def test_cells_with_two_products(cell: Cell) -> None:
    assert found(cell) == Products(["input"], ["recur"], [])


def test_a_product_with_a_gated_state_depends_on_both() -> None:
    assert found(GRUCell(3, 4, reset_after=False)).both == ["recur_new"]


def test_a_map_after_the_sum_depends_on_both() -> None:
    assert found(Tree(3, 4)).both == ["head"]


def test_wrappers_are_seen_through() -> None:
    assert found(Zoneout(LSTMCell(3, 4), 0.1)) == Products(["cell.input"], ["cell.recur"], [])


def test_observing_leaves_no_trace() -> None:
    cell = Misnamed()
    with torch.no_grad():
        seen = observe(cell)
    assert "unused" not in seen.modules
    assert all(not module._forward_hooks for module in cell.modules())
    assert all(parameter.grad is None for parameter in cell.parameters())


def test_only_the_outermost_linear_map_counts() -> None:
    class Blocks(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.out_features = 4
            self.parts = nn.ModuleList([nn.Linear(2, 2), nn.Linear(2, 2)])

    cell = Plain(3, 4)
    cell.recur = Blocks()
    assert linear_maps(cell) == ["input", "recur"]
