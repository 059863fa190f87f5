"""How the ParaRNN cells begin, and that Newton's method solves them from there."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch

import ostinato as ost
from ostinato.cells import make_cell
from ostinato.cells.para_diagonal import check, clipped
from ostinato.core.errors import ArgumentError
from ostinato.core.state import leaves
from ostinato.engines.parallel.newton import Outcome

CELLS = ("ParaGRU", "ParaLSTM")
F64 = torch.float64


def outcome(cell, engine, x, init):
    """Outputs, last state, and the gradients of x, the first state and every parameter."""
    given = [x, *init, *cell.parameters()]
    y, state = ost.RNN(cell, engine)(x, init if len(init) > 1 else init[0])
    results = [y, *leaves(state)]
    loss = sum((each * (each + 1)).sum() for each in results)
    return [*results, *torch.autograd.grad(loss, given)]


@pytest.mark.parametrize("steps", [1, 2, 33])
@pytest.mark.parametrize("heads", [1, 2])
@pytest.mark.parametrize("name", CELLS)
def test_newton_equals_the_loop_in_values_and_all_gradients(name, heads, steps):
    torch.manual_seed(0)
    cell = make_cell(name, 6, 6, heads=heads, clip=0.9, dtype=F64)
    x = torch.randn(2, steps, 6, dtype=F64, requires_grad=True)
    first = leaves(cell.initial_state(2))
    init = tuple(torch.randn_like(leaf).clamp(-1, 1).requires_grad_() for leaf in first)
    found = outcome(cell, "parallel", x, init)
    for ours, expected in zip(found, outcome(cell, "reference", x, init), strict=True):
        assert expected.any()
        scale = float(expected.detach().abs().max())
        torch.testing.assert_close(ours, expected, atol=1e-13 * max(1.0, scale), rtol=0)


@pytest.mark.parametrize("dtype", [torch.float32, F64])
@pytest.mark.parametrize("name", CELLS)
def test_newton_needs_few_iterations_at_the_beginning_however_many_steps(name, dtype):
    torch.manual_seed(0)
    cell, counts = make_cell(name, 16, 16, heads=2, dtype=dtype), []
    for steps in (256, 2048):
        with torch.no_grad(), ost.newton() as solves:
            ost.RNN(cell, "parallel")(torch.randn(2, steps, 16, dtype=dtype))
        counts.append(solves[0].iterations)
        assert solves[0].outcome is Outcome.CONVERGED
        assert solves[0].residuals[0] > 1e-2
        assert solves[0].residual <= 1e-5
    assert counts[0] == counts[1] <= 4


@pytest.mark.parametrize("name", CELLS)
def test_the_error_of_newton_squares(name):
    torch.manual_seed(0)
    cell = make_cell(name, 6, 6, dtype=F64)
    with torch.no_grad(), ost.newton() as solves:
        ost.RNN(cell, "parallel")(torch.randn(2, 33, 6, dtype=F64))
    residuals = solves[0].residuals
    assert residuals[-1] < 1e-14
    assert all(b < 3 * a**2 + 1e-15 for a, b in pairwise(residuals[1:]))


@pytest.mark.parametrize("name", CELLS)
def test_windows_hand_the_state_over(name):
    torch.manual_seed(0)
    cell, x = make_cell(name, 6, 6, dtype=F64), torch.randn(2, 33, 6, dtype=F64)
    whole = ost.RNN(cell, "parallel")(x)
    with ost.newton(window=8) as solves:
        parts = ost.RNN(cell, "parallel")(x)
    assert [solve.steps for solve in solves] == [8, 8, 8, 8, 1]
    torch.testing.assert_close(parts, whole, atol=1e-13, rtol=0)


@pytest.mark.parametrize(("name", "most"), [("ParaGRU", 1), ("ParaLSTM", 2)])
def test_without_recurrent_weights_newton_is_done_at_once(name, most):
    """c is affine then; tanh(c) of the LSTM takes the second iteration."""
    cell = make_cell(name, 6, 6, dtype=F64)
    for diagonal in (cell.recur, *([cell.peepholes] if name == "ParaLSTM" else [])):
        torch.nn.init.zeros_(diagonal)
    x = torch.randn(2, 33, 6, dtype=F64)
    with torch.no_grad():
        for guess in (
            None,
            lambda call: [torch.rand(33, 2, 6, dtype=F64)] * len(leaves(call.init)),
        ):
            with ost.newton(guess=guess) as solves:
                found = ost.RNN(cell, "parallel")(x)
            assert solves[0].iterations == most
            expected = ost.RNN(cell, "reference")(x)
            torch.testing.assert_close(found, expected, atol=1e-13, rtol=0)


@pytest.mark.parametrize("name", CELLS)
def test_how_they_begin(name):
    torch.manual_seed(0)
    cell = make_cell(name, 64, 256, heads=4)
    bound = (3 / 16) ** 0.5
    assert bound > float(cell.input.weight.detach().abs().max()) > 0.99 * bound
    assert not cell.input.bias.any()
    assert float(cell.recur.detach().std()) == pytest.approx(1 / 16, rel=0.1)
    assert float(make_cell(name, 3, 2).recur.detach().abs().max()) <= 0.9


@pytest.mark.parametrize("heads", [1, 4])
@pytest.mark.parametrize(("name", "gate"), [("ParaGRU", 1), ("ParaLSTM", 0)])
def test_how_the_released_ones_begin(name, gate, heads):
    torch.manual_seed(0)
    cell = make_cell(name, 64, 256, heads=heads, initial="released")
    bound = (6 * heads / (64 + 256)) ** 0.5
    assert bound > float(cell.input.weight.detach().abs().max()) > 0.99 * bound
    assert float(cell.recur.detach().std()) == pytest.approx(2 / (5 * 256) ** 0.5, rel=0.1)
    biases = cell.input.bias.detach().view(3, 256)
    torch.testing.assert_close(biases[gate], -torch.linspace(0, 1, 256))
    assert int(biases.any(1).sum()) == 1


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
        check(0.0, "paper")
    with pytest.raises(ArgumentError, match="Did you mean 'released'"):
        check(None, "release")


@pytest.mark.parametrize("name", CELLS)
def test_the_core_is_elementwise_and_nonlinear(name):
    (facts,) = ost.explain(make_cell(name, 8, 4, heads=2), torch.zeros(2, 3, 8)).as_dict()
    assert "elementwise" in str(facts)
    assert "dense" not in str(facts)
