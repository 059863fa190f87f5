"""Cells one above the other as one cell: what each puts out is what the next one reads."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from torch import Generator, nn

from ostinato.core.cell import Cell, take_step
from ostinato.core.errors import ArgumentError
from ostinato.core.state import State


class Stacked(Cell):
    """A cell made of cells; its state is the tuple of theirs.

    `over.Stack` runs layer after layer, each over all steps, and is faster. As one cell the layers
    are one recurrence: what reads a whole step, as exact RTRL, a solver or an analysis, sees
    through all of them. Layers whose own units do not mix are mixed by the matrices between.

    Args:
        cells: lowest first.

    Raises:
        ArgumentError: if there is none.
    """

    def __init__(self, cells: Iterable[Cell]) -> None:
        super().__init__()
        self.cells = nn.ModuleList(cells)
        if not len(self.cells):
            raise ArgumentError("Stacked needs at least one cell; got none.")

    @property
    def input_size(self) -> Any:
        """The input size of the lowest cell."""
        return getattr(self.cells[0], "input_size", None)

    @property
    def hidden_size(self) -> Any:
        """The hidden size of the highest cell."""
        return getattr(self.cells[-1], "hidden_size", None)

    def initial_state(self, batch_size: int) -> State:
        """The tuple of the cells' initial states, leaves (batch_size, ...)."""
        return tuple(cell.initial_state(batch_size) for cell in self.cells)  # type: ignore[operator]

    def sample_noise(
        self, batch_size: int, steps: int, generator: Generator | None = None
    ) -> State | None:
        """The tuple of the cells' noise, leaves (T, B, ...); None if there is none."""
        drawn = tuple(
            cell.sample_noise(batch_size, steps, generator)  # type: ignore[operator]
            for cell in self.cells
        )
        return None if all(noise is None for noise in drawn) else drawn

    def forward(self, x: Any, state: State, noise: State | None = None) -> tuple[Any, State]:
        """One step of all cells, lowest first."""
        noises, new = noise or (None,) * len(self.cells), []
        for cell, own, drawn in zip(self.cells, state, noises, strict=True):
            x, after = take_step(cell, x, own, drawn)
            new.append(after)
        return x, tuple(new)
