"""The input added to the output."""

from __future__ import annotations

import pytest
import torch

from ostinato.core.errors import ArgumentError, CellError
from ostinato.wrap import Residual

from .toys import Plain, Tree


def normal(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float64)


def test_the_input_is_added_and_the_state_is_the_cells() -> None:
    cell, x, h = Plain(4, 4), normal(2, 4), normal(2, 4)
    y, new = Residual(cell)(x, h)
    expected, state = cell(x, h)
    assert torch.equal(y, expected + x)
    assert torch.equal(new, state)


def test_a_projection_joins_different_sizes() -> None:
    cell, x = Tree(5, 4), normal(2, 5)
    wrapped = Residual(cell, projection=True)
    assert wrapped.projection.weight.shape == (3, 5)
    assert wrapped.projection.weight.dtype == torch.float64
    state = wrapped.initial_state(2)
    expected = cell(x, state)[0] + x @ wrapped.projection.weight.T
    torch.testing.assert_close(wrapped(x, state)[0], expected)


def test_sizes_that_differ_are_an_error_that_says_what_to_do() -> None:
    wrapped = Residual(Plain(3, 4))
    with pytest.raises(ArgumentError, match=r"float64\[2, 3\].*projection=True"):
        wrapped(normal(2, 3), normal(2, 4))


def test_sizes_that_would_broadcast_are_an_error_too() -> None:
    with pytest.raises(ArgumentError, match="one shape"):
        Residual(Plain(1, 4))(normal(2, 1), normal(2, 4))


def test_an_output_that_is_no_tensor_cannot_be_projected() -> None:
    class Pair(Plain):
        def forward(self, x, h):
            y, h = super().forward(x, h)
            return (y, y), h

    with pytest.raises(CellError, match="one tensor"):
        Residual(Pair(3, 4), projection=True)
