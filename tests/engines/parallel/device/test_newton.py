"""Newton's method on kernels for devices, interpreted: values and gradients of the step."""

from __future__ import annotations

import pytest
import torch

import ostinato as ost
from ostinato.cells import make_cell
from ostinato.core.errors import EngineError
from ostinato.engines.parallel.device.newton import Kernels
from ostinato.engines.parallel.newton import Outcome

from ..loop import assert_near, masks
from ..steps import Affine, Beside, Integrator, Peephole, PerHead
from .cores import cores_of
from .test_engine import outcome

pytestmark = pytest.mark.usefixtures("interpreted")


@pytest.fixture(autouse=True)
def iterations(monkeypatch):
    """How often the kernels were asked."""
    asked, iterate = [], Kernels.iterate

    def counted(self, *given):
        asked.append(self)
        return iterate(self, *given)

    monkeypatch.setattr(Kernels, "iterate", counted)
    return asked


def cell_of(name, units):
    if name in ("Peephole", "Beside"):
        return {"Peephole": Peephole, "Beside": Beside}[name]().double()
    cell = make_cell(name, 3, units).double()
    for parameter in cell.parameters():
        torch.nn.init.normal_(parameter, std=0.4)
    return cell


def compare(cell, steps, rows, reverse=False, **call):
    x = torch.randn(rows, steps, 3, dtype=torch.float64)
    with ost.newton() as solves:
        found = outcome(cell, "parallel", x, reverse, **call)
    assert_near(found, outcome(cell, "reference", x, reverse, **call), 1e-12)
    (solve,) = solves
    assert solve.outcome is Outcome.CONVERGED
    return solve


@pytest.mark.parametrize(
    ("name", "steps", "rows", "units", "part"),
    [
        ("ParaGRU", 1, 1, 1, 4),
        ("ParaGRU", 6, 1, 17, 4),
        pytest.param("ParaLSTM", 2, 3, 5, 4, marks=pytest.mark.slow),
        ("ParaLSTM", 5, 1, 1, 9),
        ("Beside", 5, 3, 5, 2),
        ("Beside", 1, 1, 5, 2),
        pytest.param("Peephole", 5, 3, 5, 2, marks=pytest.mark.slow),
        pytest.param("ParaGRU", 130, 3, 5, 16, marks=pytest.mark.slow),
        pytest.param("ParaLSTM", 33, 3, 17, 8, marks=pytest.mark.slow),
        pytest.param("ParaLSTM", 130, 1, 5, 200, marks=pytest.mark.slow),
    ],
)
def test_values_and_gradients(name, steps, rows, units, part, in_parts, iterations):
    in_parts(part)
    solve = compare(cell_of(name, units), steps, rows)
    assert iterations
    assert solve.form is not None


@pytest.mark.parametrize(
    ("name", "which", "reverse"),
    [
        ("ParaGRU", "lengths", False),
        ("ParaGRU", "resets", True),
        ("Beside", "both", False),
        ("ParaLSTM", "both", True),
    ],
)
def test_masks(name, which, reverse, in_parts, iterations):
    in_parts(3)
    compare(cell_of(name, 2), 5, 3, reverse, **masks(which, 5))
    assert iterations


def test_as_many_iterations_with_the_same_residuals(in_parts, monkeypatch):
    cell, x = cell_of("Beside", 3), torch.randn(2, 5, 3, dtype=torch.float64)
    in_parts(3)
    with ost.newton() as solves:
        ost.RNN(cell, "parallel")(x)
        # Another method takes the path of torch's operations; it is the same where nothing damps.
        with monkeypatch.context() as patch:
            patch.setattr("ostinato.engines.parallel.evaluate.Plan.kernels", lambda *_: ())
            ost.RNN(cell, "parallel")(x)
    ours, theirs = (torch.tensor(solve.residuals) for solve in solves)
    torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=1e-14)


def test_a_large_row_does_not_excuse_a_small_one(in_parts, iterations):
    in_parts(4)
    cell, x = Integrator(), torch.randn(2, 9, 3)
    x[1] *= 1e5
    with torch.no_grad(), ost.newton(tolerance=1e-4):
        found, expected = (ost.RNN(cell, e)(x)[0][0] for e in ("parallel", "reference"))
    assert iterations
    assert_near([found], [expected], 1e-6)


def test_states_that_were_led_astray_begin_again(iterations):
    cell, x = cell_of("ParaGRU", 3), torch.randn(1, 5, 3, dtype=torch.float64)
    far = torch.full((5, 1, 3), float("nan"), dtype=torch.float64)
    far[2:] = 0
    with ost.newton(guess=lambda recurrence: far, iterations=3) as solves:
        ost.RNN(cell, "parallel")(x)
    assert solves[0].outcome is not Outcome.CONVERGED
    assert solves[0].engine is not None
    assert len(iterations) > 1


def test_what_is_no_number_runs_on_another_engine():
    cell, x = cell_of("ParaGRU", 3), torch.randn(2, 4, 3, dtype=torch.float64)
    x[0, 2] = torch.nan
    with ost.newton() as solves:
        found = ost.RNN(cell, "parallel")(x)[0]
    assert solves[0].outcome is Outcome.DIVERGED
    assert solves[0].failed == (0,)
    assert torch.allclose(found, ost.RNN(cell, "reference")(x)[0], atol=1e-12, equal_nan=True)


def test_single_precision():
    cell, x = make_cell("ParaLSTM", 3, 4), torch.randn(2, 6, 3)
    found, expected = (outcome(cell, engine, x) for engine in ("parallel", "reference"))
    assert_near(found, expected, 2e-5)


@pytest.mark.parametrize(
    "dtype", [torch.bfloat16, pytest.param(torch.float16, marks=pytest.mark.slow)]
)
def test_inputs_under_autocast_are_read_as_they_are(dtype, in_parts, iterations):
    in_parts(3)
    cell, x, found = make_cell("ParaLSTM", 3, 5), torch.randn(3, 5, 3), []
    for engine in ("parallel", "reference"):
        with torch.autocast("cpu", dtype):
            found.append(outcome(cell, engine, x, True, **masks("lengths", 5)))
    assert {each.dtype for kernels in iterations for each in kernels.inputs} >= {dtype}
    assert {kernels.init.dtype for kernels in iterations} == {torch.float32}
    # Of the gradients of the weights autocast makes products in low precision.
    assert_near(found[0][:3], found[1][:3], 1e-5)
    assert_near(*found, 4 * torch.finfo(dtype).eps)


def test_given_states_have_gradients():
    cell, x = cell_of("ParaLSTM", 2), torch.randn(2, 4, 3, dtype=torch.float64)
    grads = []
    for engine in ("parallel", "reference"):
        state = tuple(torch.full((2, 2), 0.1, dtype=x.dtype, requires_grad=True) for _ in "hc")
        resets = torch.tensor([[0, 0, 1, 0], [0, 1, 0, 0]]).bool()
        y, _ = ost.RNN(cell, engine)(x, state, resets=resets)
        grads.append(torch.autograd.grad(y.square().sum(), state))
    assert_near(*grads, 1e-12)


def test_other_methods_and_other_cores_take_torchs_operations(iterations):
    x = torch.randn(2, 2, 3, dtype=torch.float64)
    with ost.newton("quasi"):
        ost.RNN(cell_of("ParaGRU", 2), "parallel")(x)
    with ost.newton(damping=0.1):
        ost.RNN(cell_of("ParaGRU", 2), "parallel")(x)
    # Of a plan that is made, two steps are tried.
    iterations.clear()
    for cell in (PerHead().double(), make_cell("GRU", 3, 4).double(), Summed().double()):
        ost.RNN(cell, "parallel")(x)
    assert not iterations


class Summed(Affine):
    """Elements that meet in a sum, of which the structure knows no better than the graph."""

    def __init__(self):
        super().__init__(4, (4,))

    def forward(self, x, h):
        h = torch.tanh(h.sum(-1, keepdim=True) + self.from_input(x))
        return h, h


def test_a_second_derivative_is_refused():
    x = torch.randn(1, 3, 3, dtype=torch.float64, requires_grad=True)
    y = ost.RNN(cell_of("ParaGRU", 2), "parallel")(x)[0]
    with pytest.raises(EngineError, match="cannot be differentiated again"):
        torch.autograd.grad(y.sum(), x, create_graph=True)


def test_explain_names_the_form(in_parts):
    in_parts(4)
    layer = ost.RNN(make_cell("ParaGRU", 3, 2), "parallel")
    (note,) = ost.explain(layer, torch.randn(1, 5, 3)).as_dict()[0]["notes"]
    assert note.endswith("f, J and the scan in generated kernels, 2 parts of 4 steps side by side")


def test_leaves_by_themselves_are_groups_with_what_they_read():
    cores = cores_of(Beside())
    assert [[leaf.attrs for leaf in core.carry] for core in cores] == [[0, 1], [2], [3]]
    read = [len(core.inputs) + len(core.constants) for core in cores]
    assert read[0] > read[1] > read[2] > 0


class Chain(Affine):
    """Five leaves, each fed by the one before."""

    def __init__(self):
        super().__init__(2, *[(2,)] * 5)

    def forward(self, x, state):
        new = [torch.sin(a + b) for a, b in zip([self.from_input(x), *state], state, strict=False)]
        return new[-1], tuple(new)


@pytest.mark.parametrize(
    ("cell", "reason"),
    [
        (make_cell("GRU", 3, 4), "elements of the state depend on elements elsewhere"),
        (Chain(), "5 leaves of the state depend on each other, and kernels hold 4"),
    ],
)
def test_explain_says_why_there_are_no_kernels(cell, reason):
    notes = ost.explain(ost.RNN(cell, "parallel"), torch.randn(1, 2, 3)).as_dict()[0]["notes"]
    assert notes[0] == f"torch linearises the step: {reason}"
