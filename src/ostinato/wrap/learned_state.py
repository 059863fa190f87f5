"""The state before the first step as a parameter."""

from __future__ import annotations

from torch import Tensor, nn

from ostinato.core.cell import Cell, Native
from ostinato.core.errors import ArgumentError
from ostinato.core.state import State, map_state
from ostinato.wrap.wrapper import Wrapper


class LearnedState(Wrapper):
    """h_0 = θ, learned, and common to all rows; it begins at the cell's own initial state.

    Args:
        cell: the cell inside.

    Raises:
        ArgumentError: if the cell's state has leaves that are not floating point.
    """

    def __init__(self, cell: Cell) -> None:
        super().__init__(cell)
        self.start = nn.ParameterList()
        self._places = map_state(self._add, cell.initial_state(1))

    def _add(self, leaf: object) -> int:
        if not isinstance(leaf, Tensor) or not leaf.is_floating_point():
            raise ArgumentError(f"A learned state needs floating-point leaves; got {leaf}.")
        self.start.append(nn.Parameter(leaf.detach()[0].clone()))
        return len(self.start) - 1

    def initial_state(self, batch_size: int) -> State:
        """The parameters, repeated for every row: leaves (batch_size, ...)."""
        return map_state(
            lambda i: self.start[i].expand(batch_size, *self.start[i].shape), self._places
        )

    def native(self) -> Native | str:
        """As the cell inside: only the initial state differs, which every engine is given."""
        return self.cell.native()
