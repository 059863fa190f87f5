"""Tridiagonal matrices against dense ones."""

from __future__ import annotations

import pytest
import torch

from ostinato.cells.tridiagonal import dense, multiply, solve

pytestmark = pytest.mark.usefixtures("quick_compile")


def drawn(*shape):
    """Diagonally dominant, so that no pivot is small."""
    lower, diagonal, upper = torch.randn(3, *shape, dtype=torch.float64)
    return lower, 4 + diagonal.abs(), upper


@pytest.mark.parametrize("shape", [(6,), (3, 6), (3, 1)])
def test_products_and_solutions_equal_dense_ones(shape):
    t, x = drawn(*shape), torch.randn(3, shape[-1], 5, dtype=torch.float64)
    torch.testing.assert_close(multiply(t, x), dense(t) @ x)
    torch.testing.assert_close(solve(t, x), torch.linalg.solve(dense(t), x))


def test_gradients_equal_dense_ones():
    t, x = drawn(3, 6), torch.randn(3, 6, 5, dtype=torch.float64)
    inputs = [each.requires_grad_() for each in (*t, x)]
    losses = [solve(t, x).square().sum(), torch.linalg.solve(dense(t), x).square().sum()]
    found, expected = (torch.autograd.grad(loss, inputs) for loss in losses)
    torch.testing.assert_close(found, expected)


def test_the_elements_outside_the_matrix_are_ignored():
    lower, diagonal, upper = drawn(4)
    x = torch.randn(2, 4, 5, dtype=torch.float64)
    expected = solve((lower, diagonal, upper), x)
    lower, upper = lower.clone(), upper.clone()
    lower[0], upper[-1] = 7, -7
    torch.testing.assert_close(solve((lower, diagonal, upper), x), expected)
