"""The adapter of ParaRNN's reduction, with its function in plain torch."""

from __future__ import annotations

import pytest
import torch

import ostinato as ost
from ostinato.cells import make_cell
from ostinato.core.errors import EngineError

from .conftest import assert_same, reason


class ParallelSolve:
    @staticmethod
    def parallel_reduce_diag_cuda(jac, rhs):
        """What its own test compares with: x_t = rhs_t − jac_t x_{t−1}, (B, N, T), jac_0 = 0."""
        assert jac.shape == rhs.shape
        assert jac.is_contiguous()
        assert rhs.is_contiguous()
        assert not jac[..., 0].any()
        x, found = torch.zeros_like(rhs[..., 0]), []
        for t in range(rhs.shape[-1]):
            x = rhs[..., t] - jac[..., t] * x
            found.append(x)
        return torch.stack(found, -1).detach()


@pytest.fixture
def peer(install):
    members = {"ParallelSolve": ParallelSolve}
    install(pararnn={}, pararnn__parallel_reduction={})
    install(pararnn__parallel_reduction__parallel_reduction=members)


@pytest.mark.usefixtures("peer")
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize(("steps", "rows"), [(1, 1), (33, 2)])
def test_values_and_gradients(steps, rows, reverse):
    cell, x = make_cell("MinGRU", 3, 4), torch.randn(rows, steps, 3)
    state = (torch.randn(rows, 4),)
    assert_same(cell, "pararnn", x, state=state, reverse=reverse)


@pytest.mark.usefixtures("peer")
def test_what_it_takes():
    x = torch.randn(2, 5, 3)
    said = reason(make_cell("LRU", 3, 4), "pararnn", x)
    assert said == "the step is not affine in the state, element by element"
    assert reason(make_cell("MinGRU", 1, 1), "pararnn", torch.randn(1, 2**16 + 1, 1)) is None


def test_where_it_is_to_be_had():
    with pytest.raises(EngineError, match=r"'pararnn' is not installed.*apple/ml-pararnn"):
        ost.RNN(make_cell("MinGRU", 3, 4), "pararnn")(torch.randn(2, 5, 3))
