from __future__ import annotations

import math

import pytest
import torch

import ostinato as ost
from ostinato.cells.lru import LRUCell
from ostinato.core.errors import ArgumentError

F64, C128 = torch.float64, torch.complex128


def test_the_step_by_its_equations():
    cell, x = LRUCell(3, 4, dtype=F64), torch.randn(2, 7, 3, dtype=F64)
    eigenvalue = torch.exp(torch.complex(-cell.nu.exp(), cell.theta.exp()))
    b = torch.complex(*cell.input.weight.chunk(2))
    c_re, c_im = cell.output.weight.chunk(2, 1)
    c = torch.complex(c_re, -c_im)
    h, expected = torch.zeros(2, 4, dtype=C128), []
    for t in range(7):
        h = eigenvalue * h + cell.gamma.exp() * (x[:, t].to(C128) @ b.T)
        expected.append((h @ c.T).real + x[:, t] @ cell.skip.weight.T)
    y, last = ost.RNN(cell)(x)
    torch.testing.assert_close(y, torch.stack(expected, 1))
    torch.testing.assert_close(torch.complex(*last), h)


def test_with_a_real_eigenvalue_it_is_an_exponential_moving_average():
    cell, keep = LRUCell(1, 1, dtype=F64), 0.9
    with torch.no_grad():
        cell.nu.fill_(math.log(-math.log(keep)))
        cell.theta.fill_(-math.inf)
        cell.gamma.fill_(math.log(1 - keep))
        cell.input.weight.copy_(torch.tensor([[1.0], [0.0]]))
        cell.output.weight.copy_(torch.tensor([[1.0, 0.0]]))
        cell.skip.weight.zero_()
    x, mean, expected = torch.randn(50, dtype=F64), 0.0, []
    for value in x:
        mean = keep * mean + (1 - keep) * value
        expected.append(mean)
    found = ost.RNN(cell)(x[None, :, None])[0].flatten()
    torch.testing.assert_close(found, torch.stack(expected))


def test_it_begins_on_the_ring_with_states_of_unit_variance():
    cell = LRUCell(1, 1000, r_min=0.4, r_max=0.8, max_phase=1.0, dtype=F64)
    value = torch.complex(*cell.eigenvalues).detach()
    radius = value.abs()
    assert radius.min() >= 0.4
    assert radius.max() <= 0.8
    # Uniform on the ring: the area within a radius grows with its square.
    share = float((radius < 0.6).double().mean())
    assert abs(share - (0.6**2 - 0.4**2) / (0.8**2 - 0.4**2)) < 0.06
    assert 0 < value.angle().min() < 0.01
    assert 0.99 < value.angle().max() <= 1.0
    variance = cell.gamma.detach().exp() ** 2 / (1 - radius**2)
    torch.testing.assert_close(variance, torch.ones_like(variance))


@pytest.mark.parametrize("engine", ["reference", "fused", "parallel"])
def test_radius_zero_forgets_all_and_radius_one_nothing(engine):
    cell, x = LRUCell(3, 2), torch.zeros(1, 9, 3)
    with torch.no_grad():
        cell.nu.copy_(torch.tensor([10.0, -200.0]))
        cell.theta.fill_(-math.inf)
    state = (torch.ones(1, 2, requires_grad=True), torch.zeros(1, 2))
    _, (re, im) = ost.RNN(cell, engine)(x, state)
    assert re.tolist() == [[0.0, 1.0]]
    assert im.tolist() == [[0.0, 0.0]]
    re.sum().backward()
    assert state[0].grad.tolist() == [[0.0, 1.0]]
    assert all(p.grad is None or p.grad.isfinite().all() for p in cell.parameters())


@pytest.mark.parametrize("options", [{"r_min": 0.9, "r_max": 0.5}, {"max_phase": 0}, {"r_max": 2}])
def test_an_empty_ring_is_refused(options):
    with pytest.raises(ArgumentError, match="The ring needs"):
        LRUCell(3, 4, **options)
