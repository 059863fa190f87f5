"""The cell: its equations, its options, and the cells that it contains."""

from __future__ import annotations

import math
from copy import deepcopy

import pytest
import torch

import ostinato as ost
from ostinato.cells.discretise import discretise
from ostinato.cells.hippo import hippo
from ostinato.cells.lssl import LSSLCell
from ostinato.cells.tridiagonal_inverse import TridiagonalInverse
from ostinato.core.errors import ArgumentError, ShapeError

F64 = torch.float64

pytestmark = pytest.mark.usefixtures("quick_compile")


@pytest.mark.parametrize("learn", ["fixed", "shared", "separate"])
@pytest.mark.parametrize("measure", ["legs", "random"])
def test_a_step_by_its_equations(measure, learn):
    cell = LSSLCell(3, 4, state_size=6, channels=2, measure=measure, learn=learn, dtype=F64)
    x, state = torch.randn(2, 3, dtype=F64), torch.randn(2, 4, 6, dtype=F64)
    y, new = cell(x, state)
    held, hold = discretise(*cell.system.matrices(), cell.log_step.exp())
    u = x @ cell.input.weight.T
    for b in range(2):
        for h in range(4):
            after = held[h] @ state[b, h] + hold[h] * u[b, h]
            torch.testing.assert_close(new[b, h], after)
            expected = cell.C[h] @ after + cell.D[h] * u[b, h]
            torch.testing.assert_close(y[b, 2 * h : 2 * h + 2], expected)


def test_what_is_learned():
    def names(**options):
        cell = LSSLCell(2, 4, **options)
        return {name for name, p in cell.named_parameters() if p.requires_grad}

    always = {"input.weight", "C", "D"}
    assert names(learn="fixed", learn_step=False) == always
    assert names(learn="fixed") == always | {"log_step"}
    assert "system.lower" in names(learn="shared")
    assert names(measure="fout") == always | {"log_step", "system.A", "system.B"}
    assert isinstance(LSSLCell(2, 4, measure="legt").system, TridiagonalInverse)
    assert LSSLCell(2, 4, learn="separate").system.p.shape == (4, 4)


def test_the_time_scales_of_the_beginning():
    drawn = LSSLCell(1, 2000, state_size=2, step_min=1e-3, step_max=1e-1).log_step.exp()
    assert 1e-3 * (1 - 1e-5) <= drawn.min() < 1.1e-3
    assert 0.9e-1 < drawn.max() <= 1e-1 * (1 + 1e-5)
    assert abs(float((drawn < 1e-2).float().mean()) - 0.5) < 0.05
    spread = LSSLCell(1, 5, step_init="linspace").log_step
    torch.testing.assert_close(spread.diff(), torch.full((4,), math.log(100) / 4))


def test_a_system_of_ones_own():
    system = (torch.tensor([[0.0, 1.0], [-4.0, -0.1]]), torch.tensor([0.0, 1.0]))
    cell = LSSLCell(1, 3, state_size=2, measure=system, learn="fixed")
    assert torch.equal(cell.system.A, system[0])
    with pytest.raises(ShapeError, match=r"A and B must be \(3, 3\) and \(3,\); got \[2, 2\]"):
        LSSLCell(1, 3, measure=system)


def test_the_rate_multiplies_the_step():
    cell = LSSLCell(1, 2, state_size=4, dtype=F64)
    cell.resample(0.5)
    expected = discretise(*hippo("legs", 4), 0.5 * cell.log_step.exp())
    torch.testing.assert_close(cell.discretised(), expected)


@pytest.mark.parametrize("engine", ["fused", "parallel"])
def test_engines_see_a_new_rate(engine):
    cell, x = LSSLCell(2, 3, dtype=F64), torch.randn(2, 9, 2, dtype=F64)
    rnn = ost.RNN(cell, engine)
    before = rnn(x)[0]
    cell.resample(3.0)
    after = rnn(x)[0]
    assert not torch.allclose(before, after)
    torch.testing.assert_close(after, ost.RNN(cell, "reference")(x)[0])


def test_of_order_one_by_backward_euler_it_is_a_leaky_mean():
    cell = LSSLCell(3, 3, state_size=1, discretisation="backward_euler", project=False, dtype=F64)
    x = torch.randn(2, 9, 3, dtype=F64)
    with torch.no_grad():
        cell.C.fill_(1)
        cell.D.zero_()
        y = ost.RNN(cell)(x)[0]
    gate, h = cell.log_step.detach().sigmoid(), torch.zeros(2, 3, dtype=F64)
    for t in range(9):
        h = (1 - gate) * h + gate * x[:, t]
        torch.testing.assert_close(y[:, t], h, atol=1e-12, rtol=0)


def test_a_diagonal_system_by_zero_order_hold_is_a_real_diagonal_recurrence():
    rates = torch.tensor([-1.0, -3.0, -0.2], dtype=F64)
    system = (torch.diag(rates), torch.ones(3, dtype=F64))
    cell = LSSLCell(
        2, 2, state_size=3, measure=system, learn="fixed", discretisation="zoh", dtype=F64
    )
    x = torch.randn(2, 9, 2, dtype=F64)
    decay = torch.exp(rates * cell.step_size[:, None])
    u = cell.input(x).transpose(0, 1)[..., None] * (decay - 1) / rates
    states = ost.affine_scan(decay, u, kind="diagonal")
    y = (cell.C[:, 0] * states).sum(-1) + cell.D[:, 0] * cell.input(x).transpose(0, 1)
    torch.testing.assert_close(ost.RNN(cell)(x)[0], y.transpose(0, 1))


def test_discrete_it_is_the_same_step_without_a_solution():
    cell = LSSLCell(3, 4, state_size=5, channels=2, dtype=F64)
    x, state = torch.randn(2, 3, dtype=F64), torch.randn(2, 4, 5, dtype=F64)
    discrete = cell.discrete()
    torch.testing.assert_close(discrete(x, state), cell(x, state), atol=0, rtol=0)
    assert discrete.initial_state(2).shape == state.shape
    assert not any(name.startswith("system") for name, _ in discrete.named_parameters())


def test_the_loop_is_a_block_for_each_feature_and_affine():
    found = ost.explain(ost.RNN(LSSLCell(3, 4), "parallel"), torch.randn(2, 9, 3)).as_dict()[0]
    assert found["structure"]["affine"]
    assert found["structure"]["verified"]
    assert found["structure"]["pattern"] == "per-head block"


@pytest.mark.parametrize("engine", ["reference", "auto"])
def test_under_autocast_the_state_is_not_rounded(engine):
    rnn = ost.RNN(LSSLCell(3, 3, project=False), engine)
    x = torch.randn(2, 30, 3)
    exact = rnn(x)[1]
    with torch.autocast("cpu", torch.bfloat16):
        state = rnn(x)[1]
    torch.testing.assert_close(state, exact, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"state_size": 0}, "must be at least 1; got 0 and 1"),
        ({"learn": "all"}, "No way to learn A is called 'all'"),
        ({"step_min": 0.2}, "0 < step_min <= step_max; got 0.2 and 0.1"),
        ({"step_init": "ones"}, "'random' or 'linspace'; got 'ones'"),
        ({"project": False}, "got input_size=3 and hidden_size=4"),
        ({"measure": "hippo"}, "No measure is called 'hippo'"),
        ({"discretisation": 2.0}, "must lie in"),
    ],
)
def test_options_that_do_not_fit_are_refused(options, message):
    with pytest.raises(ArgumentError, match=message):
        LSSLCell(3, 4, **options)


def test_a_measure_that_is_learned_in_its_form_can_be_fixed_too():
    options = {"measure": "chebi", "state_size": 6}
    fixed, learned = LSSLCell(3, 4, learn="fixed", **options), LSSLCell(3, 4, **options)
    torch.testing.assert_close(fixed.system.matrices(), learned.system.matrices())
    assert not list(fixed.system.parameters())


@pytest.mark.parametrize("learn", ["fixed", "shared"])
def test_a_cell_of_16_bits_is_discretised_in_32(learn):
    wide = LSSLCell(3, 4, learn=learn)
    narrow = deepcopy(wide).bfloat16()
    for found, expected in zip(narrow.discretised(), wide.discretised(), strict=True):
        assert found.dtype == torch.bfloat16
        torch.testing.assert_close(found.float(), expected, atol=2e-2, rtol=2e-2)
