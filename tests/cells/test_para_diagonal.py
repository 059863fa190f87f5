"""How the ParaRNN cells begin, and that Newton's method solves them from there."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch

import ostinato as ost
from ostinato.cells import make_cell
from ostinato.cells.para_diagonal import check_clip, clipped
from ostinato.core.errors import ArgumentError
from ostinato.core.state import leaves

CELLS = ("ParaGRU", "ParaLSTM")


def newton(cell, x, iterations):
    """States (T, B, H, S) after Newton steps from f(0, x), and the residual of each iterate."""
    zero = cell.initial_state(1)
    size = len(leaves(zero))

    def f(*parts):
        state = parts if size > 1 else parts[0]
        return torch.stack(leaves(cell(x, state)[1]), -1)

    def derivative(parts):
        one = torch.ones_like(parts[0])
        unit = [[one if i == j else 0 * one for i in range(size)] for j in range(size)]
        return torch.stack([torch.func.jvp(f, parts, tuple(t))[1] for t in unit], -1)

    start = torch.zeros(*x.shape[:2], cell.hidden_size, size, dtype=x.dtype)
    states, residuals = f(*start.unbind(-1)), []
    for _ in range(iterations + 1):
        before = torch.cat([start[:1], states[:-1]]).unbind(-1)
        residual = f(*before) - states
        residuals.append(float(residual.abs().max()))
        states = states + ost.affine_scan(derivative(before), residual, kind="block")
    return states, residuals


@pytest.mark.parametrize("name", CELLS)
def test_newton_converges_in_four_iterations_at_the_beginning(name):
    torch.manual_seed(0)
    cell = make_cell(name, 16, 16, heads=2)
    with torch.no_grad():
        _, residuals = newton(cell, torch.randn(2048, 2, 16), 4)
    assert residuals[0] > 1e-2
    assert residuals[4] <= 1e-5


@pytest.mark.parametrize("name", CELLS)
def test_newton_finds_the_states_of_the_loop_quadratically(name):
    torch.manual_seed(0)
    cell = make_cell(name, 6, 6, dtype=torch.float64)
    x = torch.randn(33, 2, 6, dtype=torch.float64)
    with torch.no_grad():
        states, residuals = newton(cell, x, 6)
        expected = ost.RNN(cell)(x.transpose(0, 1), return_states=True)[2]
    found = torch.stack(leaves(expected), -1).transpose(0, 1)
    torch.testing.assert_close(states, found, atol=1e-13, rtol=0)
    assert all(b < 3 * a**2 + 1e-15 for a, b in pairwise(residuals[1:]))


@pytest.mark.parametrize("name", CELLS)
def test_how_they_begin(name):
    torch.manual_seed(0)
    cell = make_cell(name, 64, 256, heads=4)
    bound = (3 / 16) ** 0.5
    assert bound > float(cell.input.weight.detach().abs().max()) > 0.99 * bound
    assert not cell.input.bias.any()
    assert float(cell.recur.detach().std()) == pytest.approx(1 / 16, rel=0.1)
    assert float(make_cell(name, 3, 2).recur.detach().abs().max()) <= 0.9


@pytest.mark.parametrize("name", CELLS)
@pytest.mark.parametrize("clip", [0.5, 0.9, None])
def test_the_state_stays_between_minus_one_and_one(name, clip):
    torch.manual_seed(0)
    cell = make_cell(name, 4, 8, clip=clip)
    torch.nn.init.normal_(cell.recur, std=5.0)
    states = ost.RNN(cell)(5 * torch.randn(3, 50, 4), return_states=True)[2]
    assert all(float(leaf.detach().abs().max()) <= 1 for leaf in leaves(states))


def test_clipping_bounds_every_element_and_stops_its_gradient():
    a = torch.tensor([-2.0, -0.3, 0.4, 0.6], requires_grad=True)
    clipped(a, 0.5).sum().backward()
    assert a.grad.tolist() == [0, 1, 1, 0]
    assert clipped(a, 0.5).tolist() == pytest.approx([-0.5, -0.3, 0.4, 0.5])
    assert clipped(a, None) is a
    with pytest.raises(ArgumentError, match="clip must be positive"):
        check_clip(0.0)


@pytest.mark.parametrize("name", CELLS)
def test_the_core_is_elementwise_and_nonlinear(name):
    (facts,) = ost.explain(make_cell(name, 8, 4, heads=2), torch.zeros(2, 3, 8)).as_dict()
    assert "elementwise" in str(facts)
    assert "dense" not in str(facts)
