"""The structured family: the matrices it begins as, and its fast path."""

from __future__ import annotations

import pytest
import torch

from ostinato.cells.hippo import hippo
from ostinato.cells.tridiagonal_inverse import FORMS, TridiagonalInverse
from ostinato.core.errors import ArgumentError

F64 = torch.float64
STEPS = torch.tensor([1e-3, 5e-2, 2.0], dtype=F64)
MEASURES = ("legs", "legt", "lagt")

pytestmark = pytest.mark.usefixtures("quick_compile")


def disturbed(measure, copies=None):
    """A member of the family that is no HiPPO matrix."""
    system = TridiagonalInverse(measure, 8, copies, dtype=F64)
    with torch.no_grad():
        for parameter in system.parameters():
            parameter.add_(0.02 * torch.randn_like(parameter))
    return system


@pytest.mark.parametrize("measure", MEASURES)
def test_it_begins_as_the_closed_form(measure):
    for size in (2, 7, 32):
        found = TridiagonalInverse(measure, size, dtype=F64).matrices()
        torch.testing.assert_close(found, hippo(measure, size), atol=1e-12, rtol=1e-12)


def test_chebyshev_begins_as_the_inverse_of_a_skew_tridiagonal_matrix():
    with torch.no_grad():
        plain, first = (
            TridiagonalInverse(measure, 6, dtype=F64).matrices()[0]
            for measure in ("chebii", "chebi")
        )
    inverse = -torch.linalg.inv(plain)
    torch.testing.assert_close(inverse, -inverse.T)
    torch.testing.assert_close(inverse.diagonal(1), torch.full((5,), 0.5, dtype=F64))
    inverse = -torch.linalg.inv(first)
    assert float(inverse[0, 1]) == pytest.approx(2**-0.5)
    assert float(inverse[1, 0]) == pytest.approx(-(2**-0.5))


@pytest.mark.parametrize("copies", [None, 3])
@pytest.mark.parametrize("measure", MEASURES)
def test_products_and_solutions_equal_dense_ones(measure, copies):
    system, x = disturbed(measure, copies), torch.randn(3, 8, 5, dtype=F64)
    a, _ = system.matrices()
    one, delta = torch.eye(8, dtype=F64), STEPS[:, None, None]
    torch.testing.assert_close(system.multiply(STEPS, x), x + delta * (a @ x))
    torch.testing.assert_close(system.solve(STEPS, x), torch.linalg.solve(one - delta * a, x))


@pytest.mark.parametrize("method", ["euler", "bilinear", "backward_euler", 0.3])
def test_the_structured_path_has_the_gradients_of_the_dense_one(method):
    system, steps = disturbed("legs", 3), STEPS.clone().requires_grad_()
    inputs, outcomes = [steps, *system.parameters()], []
    for path in (system.structured, system.discretised):
        held, hold = path(steps, method)
        loss = held.square().sum() + (hold * torch.arange(8)).sum()
        outcomes.append((held, hold, *torch.autograd.grad(loss, inputs)))
    torch.testing.assert_close(*outcomes, atol=1e-9, rtol=1e-9)


def test_float32_stays_near_float64():
    steps, x = torch.logspace(-3, -1, 3), torch.randn(3, 64, 5)
    rough = TridiagonalInverse("legs", 64).solve(steps, x)
    exact = TridiagonalInverse("legs", 64, dtype=F64).solve(steps.double(), x.double())
    assert (rough - exact).abs().max() < 1e-4 * exact.abs().max()


def test_what_has_no_such_form():
    assert sum(p.numel() for p in TridiagonalInverse("legs", 16).parameters()) == 7 * 16
    with pytest.raises(ArgumentError, match=r"No quasiseparable A is called 'fout'. Known: chebi"):
        TridiagonalInverse("fout", 4)
    with pytest.raises(ArgumentError, match="'chebi' must be at least 2, and even; got 5"):
        TridiagonalInverse("chebi", 5)
    with pytest.raises(ArgumentError, match="first diagonal element is not 0"):
        TridiagonalInverse("chebii", 4).structured(torch.ones(1))
    with pytest.raises(ArgumentError, match="got discretisation='zoh'"):
        TridiagonalInverse("legs", 4).structured(torch.ones(1), "zoh")
    assert set(FORMS) == {*MEASURES, "chebi", "chebii"}
