"""Residual connection around a step: y_t = ŷ_t + x_t, or ŷ_t + P x_t."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from ostinato.core.cell import Cell
from ostinato.core.errors import ArgumentError
from ostinato.core.state import State, describe
from ostinato.wrap.probe import input_shape, output_size
from ostinato.wrap.wrapper import Wrapper


class Residual(Wrapper):
    """Add the input to the output; the state is that of the cell inside.

    Args:
        cell: the cell inside.
        projection: add P x with a learned matrix P (H, D) instead of x, for inputs and outputs
            of different sizes; needs the cell's `input_size`.
    """

    def __init__(self, cell: Cell, projection: bool = False) -> None:
        super().__init__(cell)
        like = cell.zeros(1)
        self.projection = (
            nn.Linear(
                input_shape(cell)[-1],
                output_size(cell),
                bias=False,
                device=like.device,
                dtype=like.dtype,
            )
            if projection
            else None
        )

    def wrapped_step(
        self, x: Any, state: State, own: State | None, inner: State | None
    ) -> tuple[Any, State]:
        """One step.

        Raises:
            ArgumentError: if input and output cannot be added.
        """
        output, new = self.inner_step(x, state, inner)
        through = x if self.projection is None else self.projection(x)
        if not _addable(output, through):
            raise ArgumentError(
                f"A residual connection adds the input {describe(through)} to the output "
                f"{describe(output)}, so both must be tensors of one shape. Choose "
                "hidden_size = input_size, or Residual(cell, projection=True)."
            )
        return output + through, new


def _addable(output: Any, x: Any) -> bool:
    return isinstance(output, Tensor) and isinstance(x, Tensor) and output.shape == x.shape
