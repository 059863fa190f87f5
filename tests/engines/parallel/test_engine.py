from __future__ import annotations

import pytest
import torch
from torch import nn

import ostinato as ost
from ostinato.cells import make_cell
from ostinato.core.errors import EngineError
from ostinato.core.registry import recorded_decisions
from ostinato.core.state import leaves
from ostinato.engines.parallel import engine, sequential
from ostinato.wrap import MixedPrecision

from .loop import assert_near
from .steps import AFFINE, NONLINEAR, Chaotic, Gated, Rotation


@pytest.mark.parametrize("name", AFFINE)
def test_contract(name):
    report = ost.check_cell(AFFINE[name](), engines_to_check=["parallel"])
    declined = {check.name for check in report.checks if check.declined}
    assert declined == {"no step", "checkpoint gives equal gradients"}


@pytest.mark.parametrize("name", NONLINEAR)
def test_contract_of_nonlinear_steps(name):
    report = ost.check_cell(NONLINEAR[name](), engines_to_check=["parallel"])
    declined = {check.name for check in report.checks if check.declined}
    assert declined == {"no step", "checkpoint gives equal gradients"}


@pytest.mark.parametrize("name", ["Gated", "Rotation"])
def test_contract_without_a_compiler(name, monkeypatch):
    monkeypatch.setattr(sequential, "find_compiler", lambda: None)
    ost.check_cell(AFFINE[name](), engines_to_check=["parallel"])


@pytest.mark.parametrize("name", AFFINE)
def test_second_derivatives(name):
    cell = AFFINE[name]().double()
    x = torch.randn(2, 3, 3, dtype=torch.float64, requires_grad=True)

    def run(x):
        return ost.RNN(cell, engine="parallel")(x)[0]

    assert torch.autograd.gradgradcheck(run, x)


def test_a_plain_function_over_a_long_sequence():
    xs, decay = torch.randn(1500, 2, 4), torch.rand(4, requires_grad=True)

    def step(h, x):
        h = decay * h + x
        return h, h.square()

    found = ost.scan(step, torch.ones(2, 4), xs, engine="parallel")
    expected = ost.scan(step, torch.ones(2, 4), xs, engine="reference")
    assert_near(found, expected, 1e-5)
    grads = [torch.autograd.grad(ys.sum(), decay) for _, ys in (found, expected)]
    assert_near(*grads, 1e-4)


@pytest.mark.parametrize("reverse", [False, True])
def test_long_sequences_are_cut_into_windows(reverse, monkeypatch):
    monkeypatch.setattr(engine, "_NUMBERS_AFFINE", 1)
    cell, x = Rotation().double(), torch.randn(3, 150, 3, dtype=torch.float64, requires_grad=True)
    masks = {"lengths": torch.tensor([150, 70, 1]), "resets": torch.rand(3, 150) < 0.05}
    results = []
    for name in ("parallel", "reference"):
        y, state = ost.RNN(cell, name, reverse=reverse)(x, **masks)
        total = y.square().sum() + sum(leaf.sum() for leaf in leaves(state))
        results.append([y, *leaves(state), *torch.autograd.grad(total, [x, *cell.parameters()])])
    assert_near(*results, 1e-12)


def test_a_state_of_one_number_a_row():
    xs = torch.randn(5, 3)
    resets = torch.rand(3, 5) < 0.3

    def step(carry, x):
        count, total = carry
        return (count + 1, 0.5 * total + x * count), total

    runs = [
        ost.scan(step, (torch.zeros(3), torch.ones(3)), xs, engine=name, resets=resets)
        for name in ("parallel", "reference")
    ]
    (found, ys), (expected, zs) = runs
    assert_near([*found, ys], [*expected, zs], 1e-6)


def test_too_many_elements_that_depend_on_each_other_are_declined():
    recur = nn.Linear(65, 65)
    with pytest.raises(EngineError, match="65 elements of the state depend on each other"):
        ost.scan(lambda h, x: (recur(h) + x, h), torch.zeros(2, 65), torch.ones(4, 2, 65),
                 engine="parallel")  # fmt: skip


@pytest.mark.parametrize(
    ("name", "units", "heads", "said"),
    [
        ("GRU", 72, 12, "A: 12 × 6×6"),
        ("GatedDeltaNet", 12, 2, "A: 2 × 6×6, one for 6 columns"),
    ],
)
def test_heads_and_columns_are_solved_apart(name, units, heads, said):
    cell = make_cell(name, 3, units, heads=heads).double()
    x = torch.randn(3, 9, 3, dtype=torch.float64, requires_grad=True)
    masks = {"lengths": torch.tensor([9, 5, 1]), "resets": torch.rand(3, 9) < 0.2}
    results = [outcome(ost.RNN(cell, each), x, **masks) for each in ("parallel", "reference")]
    assert_near(*results, 1e-12)
    assert said in ost.explain(ost.RNN(cell, "parallel"), x).as_dict()[0]["notes"]


def test_second_derivatives_of_a_matrix_state():
    cell = make_cell("GatedDeltaNet", 2, 3, key_size=2).double()
    x = torch.randn(1, 3, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradgradcheck(lambda x: ost.RNN(cell, "parallel")(x)[0], x)


@pytest.mark.parametrize(
    ("method", "reverse"), [("quasi", False), ("picard", True), ("jacobi", False)]
)
def test_methods_without_a_matrix_take_states_of_any_size(method, reverse):
    cell = make_cell("LSTM", 3, 33).double()
    x = torch.randn(3, 9, 3, dtype=torch.float64, requires_grad=True)
    masks = {"lengths": torch.tensor([9, 5, 1]), "resets": torch.rand(3, 9) < 0.2}
    with ost.newton(method, unsolved="error") as solves:
        found = outcome(ost.RNN(cell, "parallel", reverse=reverse), x, **masks)
        said = ost.explain(ost.RNN(cell, "parallel"), x).as_dict()[0]["notes"]
    assert solves
    assert_near(found, outcome(ost.RNN(cell, "reference", reverse=reverse), x, **masks), 1e-11)
    assert "gradient of the states: step by step, as J of 66 elements is not held" in said
    with torch.no_grad(), ost.newton(method):
        said = ost.explain(ost.RNN(cell, "parallel"), x).as_dict()[0]["notes"]
    assert len(said) == 1
    with pytest.raises(EngineError, match="any number by"):
        ost.RNN(cell, "parallel")(x)


def test_rows_of_a_large_state_that_are_not_solved_run_elsewhere():
    cell = make_cell("Elman", 3, 70).double()
    x = torch.randn(2, 20, 3, dtype=torch.float64, requires_grad=True)
    masks = {"lengths": torch.tensor([20, 2])}
    with ost.newton("jacobi", iterations=5) as solves:
        found = outcome(ost.RNN(cell, "parallel"), x, **masks)
    assert [solve.failed for solve in solves] == [(0,)]
    assert_near(found, outcome(ost.RNN(cell, "reference"), x, **masks), 1e-11)


def outcome(rnn, x, **masks):
    """Outputs, last state, and the gradients of a loss in inputs and parameters."""
    y, state = rnn(x, **masks)
    total = y.square().sum() + sum(leaf.square().sum() for leaf in leaves(state))
    return [y, *leaves(state), *torch.autograd.grad(total, [x, *rnn.parameters()])]


@pytest.mark.parametrize(
    ("step", "init", "reason"),
    [
        (lambda h, x: (h + torch.rand_like(h), h), torch.zeros(2, 4), "draws random numbers"),
        (lambda h, x: (h.detach() + x, h), torch.zeros(2, 4), "differ from those of the step"),
        (lambda h, x: (h.flip(0) + x, h), torch.zeros(2, 4), "rows cannot be solved apart"),
        (lambda h, x: (h + x, h), torch.zeros(2, 4, dtype=torch.complex64), "of real numbers"),
        (
            lambda h, x: ((h[0] + x, h[1]), x),
            (torch.zeros(2, 4), torch.zeros(2, 4).bfloat16()),
            "of one precision throughout",
        ),
        (lambda h, x: (h + x.sum(), h), torch.zeros(()), "no common batch axis"),
    ],
)
def test_reasons_to_decline(step, init, reason):
    with pytest.raises(EngineError, match=reason):
        ost.scan(step, init, torch.ones(3, 2, 4), engine="parallel")


@pytest.mark.parametrize("way", ["mixed", "stored", "autocast"])
@pytest.mark.parametrize("name", ["MinGRU", "Elman", "ParaLSTM"])
def test_sixteen_bits_are_solved_in_float32(name, way):
    cell, x = make_cell(name, 5, 4), torch.randn(3, 30, 5)
    exact = ost.RNN(cell, "reference")(x)[0].detach()
    if way != "autocast":
        x, cell = x.bfloat16(), (MixedPrecision(cell) if way == "mixed" else cell).bfloat16()
    x.requires_grad_()
    results = []
    for engine_name in ("parallel", "reference"):
        with torch.autocast("cpu", torch.bfloat16, enabled=way == "autocast"), ost.newton() as told:
            y, state = ost.RNN(cell, engine_name)(x)
        assert all(solve.engine is None for solve in told)
        total = y.float().square().sum() + sum(leaf.float().sum() for leaf in leaves(state))
        grads = torch.autograd.grad(total, [x, *cell.parameters()])
        results.append([y, *leaves(state), *grads])
    assert_near(*results, 0.03)
    # No state is rounded on its way from step to step.
    assert_near([results[0][0].float()], [exact], 0.02)


def test_nan_before_a_reset_stays_there():
    cell, x = Rotation(), torch.randn(2, 6, 3)
    resets = torch.zeros(2, 6, dtype=torch.bool)
    resets[0, 4] = True
    expected, _ = ost.RNN(cell, engine="reference")(x, resets=resets)
    x[0, 2] = torch.nan
    found, _ = ost.RNN(cell, engine="parallel")(x, resets=resets)
    assert not found[0, 2].isfinite().any()
    assert_near([found[0, 4:], found[1]], [expected[0, 4:], expected[1]], 1e-5)


def test_auto_takes_it_where_nothing_better_applies(monkeypatch):
    x = torch.randn(2, 9, 3)
    assert chosen(Gated(), x) == "fused"
    monkeypatch.setattr("ostinato.engines.fused.backend.find_compiler", lambda: None)
    assert chosen(Gated(), x) == "parallel"
    assert chosen(Rotation(), x) == "parallel"


def test_auto_never_takes_newton(monkeypatch):
    cell, x = make_cell("GRU", 3, 4), torch.randn(2, 9, 3)
    monkeypatch.setattr("ostinato.engines.fused.backend.find_compiler", lambda: None)
    assert chosen(cell, x) == "torch"
    assert chosen(NONLINEAR["PerHead"](), x) == "reference"


def test_explain_tells_iterations_and_other_engines():
    said = ost.explain(ost.RNN(NONLINEAR["PerHead"](), "parallel"), torch.randn(2, 9, 3))
    assert "Newton, steps 0…8: converged after" in str(said)
    with ost.newton(iterations=3):
        said = ost.explain(ost.RNN(Chaotic(), "parallel"), torch.randn(2, 99, 3))
    (note,) = said.as_dict()[0]["notes"]
    assert note.endswith(("ran on fused", "ran on reference"))


def chosen(cell, x):
    with recorded_decisions() as decisions:
        ost.RNN(cell)(x)
    return decisions[0].chosen
