from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from ostinato.analysis.derivative import jacobian
from ostinato.cells.cprnn import CPRNNCell
from ostinato.cells.elman import ElmanCell
from ostinato.core.errors import ArgumentError

F64 = torch.float64


def test_the_jacobian_is_one_of_the_rank_plus_a_constant():
    cell = CPRNNCell(3, 6, rank=2, dtype=F64)
    x, h = torch.randn(2, 3, dtype=F64), torch.randn(2, 6, dtype=F64)
    new, found = jacobian(cell, x, h)
    A, B, C = (m.weight for m in (cell.state_factor, cell.input_factor, cell.output_factor))
    for row in range(2):
        second = C @ torch.diag(B @ x[row]) @ A
        expected = torch.diag(1 - new[row] ** 2) @ (second + cell.recur.weight)
        torch.testing.assert_close(found[row], expected)
        assert torch.linalg.matrix_rank(second) == 2


def test_with_a_zero_factor_it_is_an_elman_network():
    cell, elman = CPRNNCell(3, 4, dtype=F64), ElmanCell(3, 4, dtype=F64)
    with torch.no_grad():
        cell.output_factor.weight.zero_()
        cell.output_factor.bias.copy_(elman.input.bias)
        cell.input.weight.copy_(elman.input.weight)
        cell.recur.weight.copy_(elman.recur.weight)
    x, h = torch.randn(2, 3, dtype=F64), torch.randn(2, 4, dtype=F64)
    torch.testing.assert_close(cell(x, h)[0], elman(x, h)[0])


def test_the_order_and_the_scale_of_components_do_not_matter():
    cell = CPRNNCell(3, 4, rank=5, dtype=F64)
    x, h = torch.randn(2, 3, dtype=F64), torch.randn(2, 4, dtype=F64)
    expected, order = cell(x, h)[0], torch.randperm(5)
    with torch.no_grad():
        for factor, scale in ((cell.state_factor, 3.0), (cell.input_factor, -0.5)):
            factor.weight.copy_(scale * factor.weight[order])
        cell.output_factor.weight.copy_(cell.output_factor.weight[:, order] / -1.5)
    torch.testing.assert_close(cell(x, h)[0], expected)


def test_one_symbol_makes_it_an_elman_network():
    cell, h = CPRNNCell(3, 4, rank=2, dtype=F64), torch.randn(1, 4, dtype=F64)
    x = F.one_hot(torch.tensor([1]), 3).to(F64)
    matrix = cell.output_factor.weight * cell.input_factor.weight[:, 1] @ cell.state_factor.weight
    a = h @ (matrix + cell.recur.weight).T + cell.input.weight[:, 1] + cell.output_factor.bias
    torch.testing.assert_close(cell(x, h)[0], torch.tanh(a))


@pytest.mark.parametrize(
    ("hidden", "rank", "count"),
    [(32, 4, 8_281), (128, 192, 111_013), (512, 1183, 1_697_056), (1024, 2550, 6_736_499)],
)
def test_parameters_with_the_read_out_are_those_of_the_paper(hidden, rank, count):
    cell = CPRNNCell(101, hidden, rank=rank, device="meta")
    assert sum(p.numel() for p in cell.parameters()) + 101 * hidden + 101 == count


def test_without_a_first_order_part_a_bias_is_left():
    cell = CPRNNCell(5, 8, rank=3, first_order=False)
    assert sum(p.numel() for p in cell.parameters()) == 3 * (2 * 8 + 5) + 8


def test_rank_zero_is_refused():
    with pytest.raises(ArgumentError, match="1 or more; got 0"):
        CPRNNCell(3, 4, rank=0)
