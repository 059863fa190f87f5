"""The state before the first step as a parameter, or as a value of one's own."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from ostinato.core.cell import Cell, Native
from ostinato.core.errors import ArgumentError
from ostinato.core.state import State, describe, map_state
from ostinato.wrap.rates import is_continuous, spread
from ostinato.wrap.wrapper import Wrapper


class LearnedState(Wrapper):
    """h_0 = θ, learned, and common to all rows; it begins at the cell's own initial state.

    Leaves that are not floating point, e.g. counters, stay as the cell begins them. `value` lets
    θ begin elsewhere, and `wrapped.start.requires_grad_(False)` keeps it there.

    Args:
        cell: the cell inside.
        value: what θ begins at instead: a number for all leaves, or a tree of numbers in the
            structure of the state.

    Raises:
        ArgumentError: if no leaf of the cell's state is floating point, or the value is not like
            the state.
    """

    def __init__(self, cell: Cell, value: Any = None) -> None:
        super().__init__(cell)
        self.start = nn.ParameterList()
        state = cell.initial_state(1)
        if value is not None:
            values = spread(value, state, "The value of an initial state")
            map_state(_check_number, values)
            state = map_state(torch.full_like, state, values)
        self._places = map_state(self._add, state)
        if not len(self.start):
            raise ArgumentError(
                f"A learned state needs a floating-point leaf; got {describe(state)}."
            )

    def _add(self, leaf: Tensor) -> int:
        """The place of the leaf among the parameters; −1: it has none."""
        if not is_continuous(leaf):
            return -1
        self.start.append(nn.Parameter(leaf.detach()[0].clone()))
        return len(self.start) - 1

    def initial_state(self, batch_size: int) -> State:
        """The parameters, repeated for every row: leaves (batch_size, ...)."""

        def begin(place: int, own: Tensor) -> Tensor:
            if place < 0:
                return own
            start: Tensor = self.start[place]
            return start.expand(batch_size, *start.shape)

        return map_state(begin, self._places, self.cell.initial_state(batch_size))

    def native(self) -> Native | str:
        """As the cell inside: only the initial state differs, which every engine is given."""
        return self.cell.native()


def _check_number(value: Any) -> None:
    if not isinstance(value, int | float):
        raise ArgumentError(
            f"An initial state begins at a number for each leaf; got {value!r}. Elements that "
            "differ are assigned to the parameters in `start`, under torch.no_grad()."
        )
