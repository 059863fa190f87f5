from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

import ostinato as ost
from ostinato.cells.second_order import SecondOrderCell

F64 = torch.float64


def test_every_symbol_has_a_matrix_of_its_own():
    cell, h = SecondOrderCell(3, 4, dtype=F64), torch.randn(1, 4, dtype=F64)
    for symbol in range(3):
        x = F.one_hot(torch.tensor([symbol]), 3).to(F64)
        matrix = (cell.transition.weight[:, symbol] + cell.transition.bias).view(4, 4)
        a = h @ matrix.T + cell.input.weight[:, symbol] + cell.input.bias
        torch.testing.assert_close(cell(x, h)[0], torch.tanh(a))


def test_without_phi_it_is_a_weighted_automaton():
    """That of parity: a zero leaves the two states, a one exchanges them."""
    cell = SecondOrderCell(2, 2, activation="identity", first_order=False)
    with torch.no_grad():
        cell.transition.weight.copy_(torch.tensor([[1.0, 0, 0, 1], [0, 1, 1, 0]]).T)
    bits = torch.randint(2, (3, 1000))
    start = torch.tensor([[1.0, 0.0]]).expand(3, 2)
    y, _ = ost.RNN(cell, "parallel")(F.one_hot(bits, 2).float(), start)
    assert torch.equal(y[..., 1].long(), bits.cumsum(1) % 2)


def test_its_matrices_do_not_wait_for_the_state():
    found = ost.explain(ost.RNN(SecondOrderCell(3, 4, activation="identity")), torch.randn(2, 9, 3))
    structure = found.as_dict()[0]["structure"]
    assert structure["affine"]
    assert structure["verified"]


def test_without_a_first_order_part_it_does_not_begin_at_zero():
    assert SecondOrderCell(3, 4, first_order=False).initial_state(2).eq(1).all()
    assert SecondOrderCell(3, 4).initial_state(2).eq(0).all()


@pytest.mark.parametrize(("first_order", "count"), [(True, (8 + 1) * (5 + 1) * 8), (False, 320)])
def test_parameters(first_order, count):
    cell = SecondOrderCell(5, 8, first_order=first_order)
    assert sum(p.numel() for p in cell.parameters()) == count
    assert all(p.abs().max() <= 8**-0.5 for p in cell.parameters())
