from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

import ostinato as ost
from ostinato.cells.selective_ssm import SelectiveSSMCell
from ostinato.core.errors import ArgumentError

F64 = torch.float64


def test_the_step_by_its_equations():
    cell = SelectiveSSMCell(3, 4, state_size=5, rank=2, dtype=F64)
    torch.nn.init.normal_(cell.D)
    x = torch.randn(2, 7, 3, dtype=F64)
    h, a = torch.zeros(2, 4, 5, dtype=F64), -cell.A_log.exp()
    for t in range(7):
        u = x[:, t] @ cell.input.weight.T
        r, b, c = (u @ cell.select.weight.T).split([2, 5, 5], -1)
        step = torch.log1p(torch.exp(r @ cell.step.weight.T + cell.step.bias))
        h = torch.exp(torch.einsum("bd,dn->bdn", step, a)) * h
        h = h + torch.einsum("bd,bn,bd->bdn", step, b, u)
        expected = torch.einsum("bn,bdn->bd", c, h) + cell.D * u
        torch.testing.assert_close(ost.RNN(cell)(x)[0][:, t], expected)


def test_with_one_state_and_constant_maps_it_is_an_exponential_moving_average():
    cell = SelectiveSSMCell(2, 2, state_size=1, rank=1, project=False, dtype=F64)
    with torch.no_grad():
        cell.step.weight.zero_()
        cell.D.zero_()
    x = torch.randn(1, 50, 2, dtype=F64)
    # B and C are linear in u, so an input that keeps u₀ = 1 keeps them constant.
    x[..., 0] = 1
    with torch.no_grad():
        cell.select.weight.copy_(torch.tensor([[0.0, 0.0], [1.0, 0.0], [1.0, 0.0]]))
    step = F.softplus(cell.step.bias.detach())
    keep, mean = torch.exp(-step), torch.zeros(2, dtype=F64)
    for t in range(50):
        mean = keep * mean + step * x[0, t]
    torch.testing.assert_close(ost.RNN(cell)(x)[0][0, -1], mean)


def test_it_begins_as_the_paper_does():
    cell = SelectiveSSMCell(3, 2000)
    torch.testing.assert_close(cell.A_log.exp(), torch.arange(1.0, 17).expand(2000, 16))
    step = F.softplus(cell.step.bias.detach())
    assert step.min() >= 1e-3 * (1 - 1e-3)
    assert step.max() <= 1e-1 * (1 + 1e-5)
    assert abs(float((step < 1e-2).float().mean()) - 0.5) < 0.05
    assert cell.rank == 125
    assert (cell.D == 1).all()


@pytest.mark.parametrize("engine", ["reference", "fused", "parallel"])
def test_a_long_step_forgets_all_and_a_vanishing_one_nothing(engine):
    cell, x = SelectiveSSMCell(2, 2, state_size=3), torch.randn(1, 9, 2)
    with torch.no_grad():
        cell.select.weight[1:4] = 0
        cell.step.bias.copy_(torch.tensor([1e4, -1e4]))
    h = torch.ones(1, 2, 3, requires_grad=True)
    last = ost.RNN(cell, engine)(x, h)[1]
    assert last.tolist() == [[[0.0] * 3, [1.0] * 3]]
    last.sum().backward()
    assert h.grad.tolist() == [[[0.0] * 3, [1.0] * 3]]
    assert all(p.grad is None or p.grad.isfinite().all() for p in cell.parameters())


def test_options_that_do_not_fit_are_refused():
    with pytest.raises(ArgumentError, match="input_size=3 and hidden_size=4"):
        SelectiveSSMCell(3, 4, project=False)
    with pytest.raises(ArgumentError, match="state_size and rank must be at least 1"):
        SelectiveSSMCell(3, 4, state_size=0)
    with pytest.raises(ArgumentError, match="0 < step_min <= step_max"):
        SelectiveSSMCell(3, 4, step_min=0)
