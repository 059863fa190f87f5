from __future__ import annotations

import pytest
import torch

from ostinato.cells.elman import ElmanCell
from ostinato.cells.leaky import LeakyCell
from ostinato.core.errors import ArgumentError
from ostinato.over.time import RNN


@pytest.mark.parametrize("form", ["inside", "outside"])
def test_without_a_leak_it_is_an_elman_network(form):
    leaky = LeakyCell(2, 5, form=form, tau=1.0)
    elman = ElmanCell(2, 5, activation="leaky_relu")
    with torch.no_grad():
        elman.input.load_state_dict(leaky.input.state_dict())
        elman.recur.weight.copy_(leaky.recur.weight)
    x = torch.randn(3, 9, 2)
    torch.testing.assert_close(RNN(leaky)(x)[0], RNN(elman)(x)[0])


def test_an_endless_time_constant_keeps_the_state():
    x, h = torch.randn(3, 2), torch.rand(3, 5)
    for form in ("inside", "outside"):
        torch.testing.assert_close(LeakyCell(2, 5, form=form, tau=1e12)(x, h)[1], h)


def test_a_unit_alone_approaches_its_input_exponentially():
    cell = LeakyCell(1, 3, form="outside", activation="identity").double()
    with torch.no_grad():
        cell.recur.weight.zero_()
    x, h0 = torch.ones(1, 12, 1).double(), torch.rand(1, 3).double()
    end, t = cell.input(x[:, 0]), torch.arange(1, 13)[:, None]
    expected = end + (1 - cell.alpha) ** t * (h0 - end)
    torch.testing.assert_close(RNN(cell)(x, h0)[0][0], expected)


def test_the_diagonal_never_acts():
    cell = LeakyCell(1, 4)
    x = torch.randn(2, 8, 1)
    before = RNN(cell)(x)[0]
    with torch.no_grad():
        cell.recur.weight.fill_diagonal_(7)
    y = RNN(cell)(x)[0]
    torch.testing.assert_close(y, before)
    y.sum().backward()
    assert cell.recur.weight.grad is not None
    assert cell.recur.weight.grad.diagonal().eq(0).all()


def test_a_time_constant_below_one_has_no_gradient():
    cell = LeakyCell(1, 3)
    with torch.no_grad():
        cell.tau.copy_(torch.tensor([0.5, 1.5, 3.0]))
    assert cell.alpha.tolist() == pytest.approx([1, 2 / 3, 1 / 3])
    RNN(cell)(torch.randn(4, 6, 1))[0].square().sum().backward()
    assert cell.tau.grad is not None
    assert cell.tau.grad[0] == 0
    assert cell.tau.grad[1:].ne(0).all()


def test_resolution_lengthens_the_time_constant():
    fine, coarse = LeakyCell(1, 3, tau=2, resolution=4), LeakyCell(1, 3, tau=8)
    assert fine.alpha.tolist() == coarse.alpha.tolist()
    assert "tau" not in dict(fine.named_parameters())


def test_bad_options_are_named():
    with pytest.raises(ArgumentError, match="Did you mean 'inside'"):
        LeakyCell(1, 2, form="insid")
    with pytest.raises(ArgumentError, match="Did you mean 'leaky_relu'"):
        LeakyCell(1, 2, activation="leakyrelu")
    with pytest.raises(ArgumentError, match=r"tau=0\.5"):
        LeakyCell(1, 2, tau=0.5)
