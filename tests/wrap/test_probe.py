"""What a cell takes and gives, found by one step."""

from __future__ import annotations

import pytest
import torch

from ostinato.core.errors import ArgumentError
from ostinato.wrap.probe import example_output, input_shape, output_size, probe_step

from .toys import Plain, Tree


def test_the_shape_of_the_input_is_a_number_or_a_tuple() -> None:
    cell = Plain(3, 4)
    assert input_shape(cell) == (3,)
    cell.input_size = (2, 5, 5)
    assert input_shape(cell) == (2, 5, 5)


@pytest.mark.parametrize("size", [None, "3", (2, "x"), [3]])
def test_any_other_input_size_is_rejected(size: object) -> None:
    cell = Plain(3, 4)
    cell.input_size = size
    with pytest.raises(ArgumentError, match="Set it to the number of features"):
        input_shape(cell)


def test_an_example_of_the_output() -> None:
    output = example_output(Tree(5, 4))
    assert output.shape == (1, 3)
    assert not output.requires_grad
    assert output_size(Tree(5, 4)) == 3


def test_a_cell_that_cannot_take_what_it_promises_is_named() -> None:
    cell = Plain(3, 4)
    cell.input_size = 7
    with pytest.raises(ArgumentError, match=r"Plain failed on a step.*float64\[1, 7\]"):
        example_output(cell)


def test_a_probe_is_a_step() -> None:
    cell = Plain(3, 4)
    x, h = torch.randn(2, 3).double(), torch.randn(2, 4).double()
    assert torch.equal(probe_step(cell, x, h)[0], cell(x, h)[0])
