"""What a cell takes and gives, found by one step on zeros."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from ostinato.core.cell import Cell
from ostinato.core.errors import ArgumentError, CellError
from ostinato.core.state import State, describe


def input_shape(cell: Cell) -> tuple[int, ...]:
    """The shape of one row of the input, read off `cell.input_size`.

    Raises:
        ArgumentError: if the cell does not tell it.
    """
    size = getattr(cell, "input_size", None)
    shape = (size,) if isinstance(size, int) else size
    if isinstance(shape, tuple) and all(isinstance(n, int) for n in shape):
        return shape
    raise ArgumentError(
        f"The shape of the input must be known here, and {_name(cell)}.input_size is {size!r}. "
        "Set it to the number of features D, or to a tuple of sizes without the batch."
    )


def probe_step(cell: Cell, x: Tensor, state: State) -> tuple[Any, State]:
    """One step of the cell.

    Raises:
        ArgumentError: if the cell cannot take this input.
    """
    try:
        output, new_state = cell(x, state)
    except (RuntimeError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise ArgumentError(
            f"{_name(cell)} failed on a step with the input {describe(x)} that its input_size "
            f"promises, and the state {describe(state)}: {error}"
        ) from error
    return output, new_state


def example_output(cell: Cell) -> Any:
    """The output of one step on zeros, leaves (1, ...)."""
    with torch.no_grad():
        x = cell.zeros(1, *input_shape(cell))
        output, _ = probe_step(cell, x, cell.initial_state(1))
    return output


def output_size(cell: Cell) -> int:
    """H, the last axis of the output.

    Raises:
        CellError: if the output is not one tensor (B, ..., H).
    """
    output = example_output(cell)
    if not isinstance(output, Tensor) or output.dim() < 2:
        raise CellError(
            f"The output of {_name(cell)} must be one tensor (B, H) here; got {describe(output)}."
        )
    return output.shape[-1]


def _name(cell: nn.Module) -> str:
    return type(cell).__name__
