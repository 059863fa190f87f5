from __future__ import annotations

import logging
from itertools import pairwise

import pytest
import torch

import ostinato as ost
from ostinato.cells import make_cell
from ostinato.core.errors import ArgumentError, EngineError
from ostinato.engines.parallel.newton import Newton, Outcome

from .loop import assert_near, masks
from .steps import NONLINEAR, Chaotic, Gated, Peephole

CELLS = {
    **NONLINEAR,
    **{
        name: lambda name=name: make_cell(name, 3, 4)
        for name in ("Elman", "GRU", "LSTM", "MinimalGated", "LayerNormElman", "LayerNormGRU")
    },
    "LSTM-peepholes": lambda: make_cell("LSTM", 3, 4, peepholes=True),
}


def outcome(cell, engine, x, reverse=False, **call):
    """Outputs, state and gradients."""
    x = x.clone().requires_grad_()
    y, state = ost.RNN(cell, engine, reverse=reverse)(x, **call)
    results = [y, *torch.utils._pytree.tree_leaves(state)]
    loss = sum((each * each + each).sum() for each in results)
    return [*results, *torch.autograd.grad(loss, [x, *cell.parameters()])]


def compare(cell, steps, batch=3, bound=1e-9, reverse=False, **options):
    x = torch.randn(batch, steps, 3, dtype=torch.float64)
    call = {key: options.pop(key) for key in ("lengths", "resets") if key in options}
    with ost.newton(**options) as solves:
        found = outcome(cell, "parallel", x, reverse, **call)
    assert_near(found, outcome(cell, "reference", x, reverse, **call), bound)
    assert {solve.outcome for solve in solves} == {Outcome.CONVERGED}
    assert all(solve.engine is None for solve in solves)
    return solves


@pytest.mark.parametrize("name", CELLS)
def test_values_and_gradients_are_those_of_the_step(name):
    cell = CELLS[name]().double()
    for steps in (1, 2, 7, 64):
        compare(cell, steps, batch=3 if steps < 64 else 1)


@pytest.mark.parametrize("which", ["lengths", "resets", "both"])
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("name", ["Peephole", "PerHead", "GRU"])
def test_masks(name, reverse, which):
    for options in ({}, {"method": "quasi"}, {"damping": 0.01, "window": 5}):
        compare(CELLS[name]().double(), 17, reverse=reverse, **options, **masks(which, 17))


@pytest.mark.parametrize("method", ["full", "quasi"])
@pytest.mark.parametrize("damping", [0.0, 0.1])
@pytest.mark.parametrize("name", ["Peephole", "LSTM"])
def test_every_method_finds_the_same(name, damping, method):
    compare(CELLS[name]().double(), 257, 2, method=method, damping=damping)


def test_the_error_squares_and_the_batch_does_not_matter():
    cell = make_cell("GRU", 3, 4).double()
    x, counts = torch.randn(1, 257, 3, dtype=torch.float64), set()
    for batch in (1, 4):
        with ost.newton() as solves:
            ost.RNN(cell, "parallel")(x.repeat(batch, 1, 1))
        counts.add(solves[0].iterations)
    assert len(counts) == 1
    assert counts.pop() < 7
    residuals = solves[0].residuals
    assert all(b < 10 * a**2 + 1e-14 for a, b in pairwise(residuals))


def test_after_k_iterations_k_steps_are_exact():
    cell = Chaotic().double()
    x = torch.randn(2, 12, 3, dtype=torch.float64)
    with ost.newton(iterations=12) as solves:
        found = ost.RNN(cell, "parallel")(x)[0]
    assert solves[0].outcome is Outcome.CONVERGED
    assert_near([found], [ost.RNN(cell, "reference")(x)[0]], 1e-8)


def test_windows():
    cell = Peephole().double()
    solves = compare(cell, 30, window=8)
    assert [(s.first, s.steps) for s in solves] == [(0, 8), (8, 8), (16, 8), (24, 6)]
    solves = compare(cell, 30, window=8, reverse=True)
    assert [s.first for s in solves] == [24, 16, 8, 0]


def test_a_guess_saves_iterations():
    cell = make_cell("GRU", 3, 4).double()
    x = torch.randn(2, 40, 3, dtype=torch.float64)
    states = ost.RNN(cell, "reference")(x)[0].transpose(0, 1).detach()
    with ost.newton(guess=lambda recurrence: states) as solves:
        ost.RNN(cell, "parallel")(x)
    assert solves[0].iterations == 0
    with (
        ost.newton(guess=lambda recurrence: states[:3]),
        pytest.raises(ArgumentError, match=r"leaves \[\(40, 2, 4\)\]; got \[\(3, 2, 4\)\]"),
    ):
        ost.RNN(cell, "parallel")(x)


def test_chaos_runs_on_another_engine_and_is_reported(caplog):
    cell, x = Chaotic(), torch.randn(2, 300, 3)
    with caplog.at_level(logging.WARNING, "ostinato"), ost.newton(iterations=20) as solves:
        found = ost.RNN(cell, "parallel")(x)[0]
    (solve,) = solves
    assert solve.outcome is not Outcome.CONVERGED
    assert solve.iterations <= 20
    assert solve.residual > 1e-3
    assert solve.engine in ("fused", "reference")
    assert f"ran on {solve.engine}" in caplog.text
    assert torch.equal(found, ost.RNN(cell, solve.engine)(x)[0])


def test_what_is_no_number_runs_on_another_engine():
    cell, x = Peephole(), torch.randn(2, 9, 3)
    x[0, 4] = torch.nan
    with ost.newton() as solves:
        found = ost.RNN(cell, "parallel")(x)[0]
    assert solves[0].outcome is Outcome.DIVERGED
    assert torch.allclose(found, ost.RNN(cell, "reference")(x)[0], atol=1e-5, equal_nan=True)


def test_a_second_derivative_is_refused():
    cell, x = Peephole(), torch.randn(2, 9, 3, requires_grad=True)
    y = ost.RNN(cell, "parallel")(x)[0]
    with pytest.raises(EngineError, match="cannot be differentiated again"):
        torch.autograd.grad(y.sum(), x, create_graph=True)


def test_without_gradients():
    cell, x = Peephole(), torch.randn(2, 9, 3)
    expected = ost.RNN(cell, "reference")(x)[0].detach()
    for mode in (torch.no_grad, torch.inference_mode):
        with mode():
            assert_near([ost.RNN(cell, "parallel")(x)[0]], [expected], 1e-5)


def test_an_affine_step_needs_no_iterations():
    with ost.newton() as solves:
        ost.RNN(Gated(), "parallel")(torch.randn(2, 5, 3))
    assert not solves


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "ful"}, "Did you mean 'full'"),
        ({"damping": -1.0}, "damping must be finite and at least 0"),
        ({"window": 0}, "window must be finite and at least 1"),
        ({"tolerance": float("nan")}, "tolerance must be"),
    ],
)
def test_options_are_checked(options, message):
    with pytest.raises(ArgumentError, match=message):
        Newton(**options)
