from __future__ import annotations

import logging
from itertools import pairwise

import pytest
import torch
from torch import nn

import ostinato as ost
from ostinato.cells import make_cell
from ostinato.core.errors import ArgumentError, EngineError
from ostinato.engines.parallel.engine import Parallel
from ostinato.engines.parallel.evaluate import evaluate
from ostinato.engines.parallel.linearise import METHODS
from ostinato.engines.parallel.newton import Outcome, iterate
from ostinato.engines.parallel.options import Newton
from ostinato.over.layer import Options

from .loop import assert_near, masks
from .steps import NONLINEAR, Affine, Chaotic, Gated, Integrator, Peephole

CELLS = {
    **NONLINEAR,
    **{
        name: lambda name=name: make_cell(name, 3, 4)
        for name in ("Elman", "GRU", "LSTM", "MinimalGated", "LayerNormElman", "LayerNormGRU")
    },
    "LSTM-peepholes": lambda: make_cell("LSTM", 3, 4, peepholes=True),
    # Views of the state, which lies otherwise along many directions at once.
    "WaveLattice-attention": lambda: make_cell("WaveLattice", 3, 4, boundary="attention"),
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


@pytest.mark.parametrize("name", ["Peephole", "GRU"])
def test_jacobians_that_are_found_again_give_the_same_gradient(name):
    cell = CELLS[name]().double()
    compare(cell, 12, recompute=True, window=8, reverse=True, **masks("both", 12))


def test_jacobians_that_are_found_again_are_not_kept():
    layer, x, kept = ost.RNN(make_cell("GRU", 3, 8), "parallel"), torch.randn(1, 40, 3), []
    # Plans are tried, with a gradient, when they are made.
    layer(x)

    def kept_at_most(**options):
        kept.clear()
        with (
            torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t.numel()), id),
            ost.newton(**options),
        ):
            layer(x)
        return max(kept)

    assert kept_at_most() == 40 * 8**2 > kept_at_most(recompute=True)


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


class Elementwise(Affine):
    """h = tanh(w ⊙ h + u): all of its Jacobian is the diagonal."""

    def __init__(self):
        super().__init__(4, (4,))
        self.recur = nn.Parameter(torch.linspace(-1.5, 1.5, 4))

    def forward(self, x, h):
        h = torch.tanh(self.recur * h + self.from_input(x))
        return h, h


def iterates(cell, x, count, **options):
    """The states (B, T, H) after some iterations, and the residuals up to there."""
    recurrence = ost.RNN(cell).recurrence(x, None, Options())
    solves = []

    def solve(system):
        states, _, solve = iterate(system, Newton(iterations=count, tolerance=1e-16, **options))
        solves.append(solve)
        return states

    ys = evaluate(Parallel()._plans.get(recurrence), recurrence, solve)[1]
    return ys.detach().transpose(0, 1), solves[0].residuals


@pytest.mark.parametrize("method", METHODS)
def test_one_more_step_is_exact_after_every_iteration(method):
    cell, x = Chaotic().double(), torch.randn(2, 9, 3, dtype=torch.float64)
    exact = ost.RNN(cell, "reference")(x)[0].detach()
    for count in range(1, 7):
        found = iterates(cell, x, count, method=method)[0]
        assert_near([found[:, : count + 1]], [exact[:, : count + 1]], 1e-12)
        assert float((found - exact)[:, count + 1 :].abs().max()) > 1e-3


@pytest.mark.parametrize("name", ["GRU", "LSTM", "Elman"])
def test_the_error_squares(name):
    cell, x = make_cell(name, 3, 5).double(), torch.randn(1, 50, 3, dtype=torch.float64)
    exact = ost.RNN(cell, "reference")(x)[0].detach()
    errors = [float((iterates(cell, x, count)[0] - exact).abs().max()) for count in range(1, 6)]
    assert errors[0] > 1e-4
    assert all(b < 10 * a**2 + 1e-14 for a, b in pairwise(errors))
    assert errors[-1] < 1e-14


def test_a_linear_step_takes_one_iteration():
    cell, x = Gated().double(), torch.randn(2, 40, 3, dtype=torch.float64)
    found, residuals = iterates(cell, x, 1)
    assert residuals[0] > 1e-2
    assert_near([found], [ost.RNN(cell, "reference")(x)[0]], 1e-14)


def test_the_diagonal_is_all_where_the_step_is_elementwise():
    cell, x = Elementwise().double(), torch.randn(2, 40, 3, dtype=torch.float64)
    for count in (1, 2, 3):
        full, quasi = (iterates(cell, x, count, method=m)[0] for m in ("full", "quasi"))
        assert torch.equal(full, quasi)


DAMPED = ({"damping": 0.1}, {"damping": 0.01, "smooth": True})


@pytest.mark.parametrize("options", [*({"method": method} for method in METHODS), *DAMPED])
@pytest.mark.parametrize("name", ["Elman", "GRU", "LSTM"])
def test_gradients_are_those_of_backpropagation_through_time(name, options):
    compare(make_cell(name, 3, 5).double(), 60, 2, bound=1e-12, tolerance=1e-13, **options)


def test_gradients_match_differences():
    cell = make_cell("GRU", 2, 2).double()
    x, h = (torch.randn(1, *shape, dtype=torch.float64) for shape in ((4, 2), (2,)))

    def run(x, h, *parameters):
        return ost.RNN(cell, "parallel")(x, h)

    with ost.newton("quasi", tolerance=1e-14):
        inputs = (x.requires_grad_(), h.requires_grad_(), *cell.parameters())
        assert torch.autograd.gradcheck(run, inputs)


def test_too_few_iterations_are_told_and_made_up_for():
    cell, x = make_cell("GRU", 3, 5), torch.randn(2, 50, 3)
    with ost.newton(iterations=1) as solves:
        found = ost.RNN(cell, "parallel")(x)[0]
    assert solves[0].outcome is Outcome.CAP
    assert solves[0].engine in ("fused", "torch", "reference")
    assert_near([found], [ost.RNN(cell, "reference")(x)[0]], 1e-5)


def test_the_batch_does_not_matter():
    cell = make_cell("GRU", 3, 4).double()
    x, counts = torch.randn(1, 257, 3, dtype=torch.float64), set()
    for batch in (1, 4):
        with ost.newton() as solves:
            ost.RNN(cell, "parallel")(x.repeat(batch, 1, 1))
        counts.add(solves[0].iterations)
    assert len(counts) == 1
    assert counts.pop() < 7


def test_as_many_iterations_as_steps_are_enough():
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


def test_a_trace_has_the_states_of_every_iteration():
    cell, x = CELLS["LSTM"]().double(), torch.randn(2, 12, 3, dtype=torch.float64)
    with torch.no_grad(), ost.newton("quasi", trace=True) as solves:
        found = ost.RNN(cell, "parallel")(x, return_states=True)[2]
    trace = [[leaf.transpose(0, 1) for leaf in states] for states in solves[0].trace]
    assert len(trace) == len(solves[0].residuals)
    assert_near(trace[-1], found, 1e-10)
    for k, states in enumerate(trace):
        # One more step is exact after every iteration.
        assert_near([h[:, : k + 1] for h in states], [h[:, : k + 1] for h in found], 1e-10)
    assert float((trace[0][0] - found[0]).abs().max()) > 1e-3
    with ost.newton() as solves:
        ost.RNN(cell, "parallel")(x)
    assert solves[0].trace == ()


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


@pytest.mark.parametrize("reverse", [False, True])
def test_states_of_a_whole_call_are_cut_for_its_windows(reverse):
    cell = make_cell("LSTM", 3, 4).double()
    x = torch.randn(2, 40, 3, dtype=torch.float64)
    layer = ost.RNN(cell, "parallel", reverse=reverse)
    known = ost.RNN(cell, reverse=reverse)(x, return_states=True)[2]
    states = tuple(leaf.transpose(0, 1) for leaf in known)
    firsts = []

    def window(recurrence):
        firsts.append(recurrence.first)
        return [h[recurrence.first :][: recurrence.steps] for h in states]

    for guess in (states, window):
        with ost.newton(window=16, guess=guess) as solves:
            layer(x)
        assert [solve.iterations for solve in solves] == [0, 0, 0]
    assert firsts == ([32, 16, 0] if reverse else [0, 16, 32])
    with (
        ost.newton(window=16, guess=tuple(h[:39] for h in states)),
        pytest.raises(ArgumentError, match=r"hold the states after all steps, leaves \[\(40, 2, 4"),
    ):
        layer(x)


def test_what_is_not_solved_may_be_an_error_or_stay_as_it_is(caplog):
    cell, x = make_cell("GRU", 3, 5).double(), torch.randn(2, 50, 3, dtype=torch.float64)
    exact = ost.RNN(cell, "reference")(x)[0]
    with (
        ost.newton(iterations=2, unsolved="error") as solves,
        pytest.raises(EngineError, match=r"GRUCell was not solved: Newton.*reached the cap"),
    ):
        ost.RNN(cell, "parallel")(x)
    assert [solve.engine for solve in solves] == [None]
    with caplog.at_level(logging.WARNING, "ostinato"):
        for method in ("full", "quasi"):
            with ost.newton(method, iterations=1, unsolved="warn") as solves:
                found, _, stats = ost.RNN(cell, "parallel")(x, return_stats=True)
            assert (solves[0].engine, stats.unsolved) == (None, 1)
            assert 0.1 > float((found - exact).detach().abs().max()) > 1e-9
            assert torch.autograd.grad(found.sum(), cell.parameters())[0].isfinite().all()
    assert len(caplog.records) == 2


def test_part_of_a_correction():
    cell, x = make_cell("GRU", 3, 5).double(), torch.randn(2, 50, 3, dtype=torch.float64)
    guess = torch.cat([ost.RNN(cell)(step)[0].detach() for step in x.split(1, 1)], 1)
    all_, half = (iterates(cell, x, 1, relaxation=share)[0] for share in (1, 0.5))
    assert_near([half], [(guess + all_) / 2], 1e-12)
    compare(cell, 50, relaxation=0.7)


def test_a_scaled_jacobian():
    cell, x = make_cell("GRU", 3, 5).double(), torch.randn(2, 50, 3, dtype=torch.float64)
    none, jacobi = (iterates(cell, x, 2, **o)[0] for o in ({"scale": 0}, {"method": "jacobi"}))
    assert_near([none], [jacobi], 1e-14)
    assert float((none - iterates(cell, x, 2, scale=0.5)[0]).abs().max()) > 1e-3
    compare(cell, 50, scale=0.5)


def test_damping_shrinks_with_the_residual_or_stays():
    cell, x = make_cell("GRU", 3, 5).double(), torch.randn(1, 50, 3, dtype=torch.float64)
    shrunk, residuals = iterates(cell, x, 1, damping=0.3)
    fixed = [
        iterates(cell, x, 1, damping=each, shrink=False)[0] for each in (0.3 * residuals[0], 0.3)
    ]
    assert_near([shrunk], [fixed[0]], 1e-12)
    assert residuals[0] < 0.9
    assert float((shrunk - fixed[1]).abs().max()) > 1e-4
    compare(cell, 50, damping=1e-2, shrink=False)


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


class Switched(Chaotic):
    """Chaos in rows whose first input is 1, and quickly forgotten in those where it is 0."""

    def forward(self, x, h):
        h = torch.tanh((0.05 + x[:, :1]) * (h @ self.recur) + 0.1 * self.from_input(x))
        return h, h


@pytest.mark.parametrize(("method", "most", "reverse"), [("full", 8, True), ("quasi", 20, False)])
def test_a_row_that_fails_runs_alone_on_another_engine(method, most, reverse, caplog):
    cell, x = Switched().double(), torch.randn(3, 40, 3, dtype=torch.float64)
    x[..., 0], x[1, :, 0] = 0, 1
    lengths = torch.tensor([40, 40, 17])
    with (
        caplog.at_level(logging.WARNING, "ostinato"),
        ost.newton(method, iterations=most) as solves,
    ):
        found = outcome(cell, "parallel", x, reverse, lengths=lengths)
    (solve,) = solves
    assert solve.failed == (1,)
    assert not solve.solved
    assert "in 1 of 3 rows after" in caplog.text
    assert f"; these ran on {solve.engine}" in caplog.text
    assert_near(found, outcome(cell, "reference", x, reverse, lengths=lengths), 1e-10)


def test_a_row_that_is_solved_does_not_depend_on_the_others():
    cell, x = Switched(0.8).double(), torch.randn(3, 40, 3, dtype=torch.float64)
    x[..., 0], x[1, :, 0] = 0, 1
    together, alone = (iterates(cell, rows, 30, damping=0.1)[0][0] for rows in (x, x[:1]))
    assert torch.equal(together, alone)


def test_a_large_row_does_not_excuse_a_small_one():
    cell, x = Integrator(), torch.randn(2, 100, 3)
    x[1] *= 1e5
    small = []
    for engine in ("parallel", "reference"):
        y = ost.RNN(cell, engine)(x)[0][0]
        small.append([y, *torch.autograd.grad(y.sum(), cell.recur)])
    assert_near(*small, 1e-5)


def test_a_large_state_does_not_excuse_small_ones_much_later():
    cell, x = Integrator(), torch.randn(1, 300, 3)
    x[:, 5] *= 1e5
    found, expected = (ost.RNN(cell, e)(x)[0][:, 200:].detach() for e in ("parallel", "reference"))
    assert_near([found], [expected], 1e-5)


def test_what_is_no_number_runs_on_another_engine():
    cell, x = Peephole(), torch.randn(2, 9, 3)
    x[0, 4] = torch.nan
    with ost.newton() as solves:
        found = ost.RNN(cell, "parallel")(x)[0]
    assert solves[0].outcome is Outcome.DIVERGED
    assert solves[0].failed == (0,)
    assert torch.allclose(found, ost.RNN(cell, "reference")(x)[0], atol=1e-5, equal_nan=True)


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
