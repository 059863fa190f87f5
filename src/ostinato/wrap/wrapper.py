"""The base of wrappers: a cell around a cell, whose own noise travels beside the inner one's."""

from __future__ import annotations

from typing import Any

from torch import Generator, nn

from ostinato.core.cell import Cell, take_step
from ostinato.core.state import State, leaves


class Wrapper(Cell):
    """A cell that changes what another cell computes.

    A subclass overrides `wrapped_step`, and `draw` if it needs noise. Both are independent of
    which cell is inside, so wrappers combine in any order.

    Args:
        cell: the cell inside.
    """

    def __init__(self, cell: Cell) -> None:
        super().__init__()
        self.cell = cell

    @property
    def input_size(self) -> Any:
        """The input size of the cell inside."""
        return getattr(self.cell, "input_size", None)

    @property
    def hidden_size(self) -> Any:
        """The hidden size of the cell inside."""
        return getattr(self.cell, "hidden_size", None)

    def initial_state(self, batch_size: int) -> State:
        """The initial state of the cell inside."""
        return self.cell.initial_state(batch_size)

    def draw(self, batch_size: int, steps: int, generator: Generator | None) -> State | None:
        """Draw this wrapper's own noise, leaves (T, B, ...); None if it needs none."""
        return None

    def sample_noise(
        self, batch_size: int, steps: int, generator: Generator | None = None
    ) -> State | None:
        """The pair (own noise, noise of the cell inside); None if there is neither."""
        own = self.draw(batch_size, steps, generator)
        inner = self.cell.sample_noise(batch_size, steps, generator)
        return None if own is None and inner is None else (own, inner)

    def forward(self, x: Any, state: State, noise: State | None = None) -> tuple[Any, State]:
        """One step of the cell inside, changed by this wrapper."""
        own, inner = noise if noise is not None else (None, None)
        return self.wrapped_step(x, state, own, inner)

    def wrapped_step(
        self, x: Any, state: State, own: State | None, inner: State | None
    ) -> tuple[Any, State]:
        """One step.

        Args:
            x: input of the step (B, D).
            state: state before it.
            own: what `draw` drew for this step, leaves (B, ...); None: take the expectation.
            inner: the noise of the cell inside; hand it to `self.inner_step`.
        """
        return self.inner_step(x, state, inner)

    def inner_step(self, x: Any, state: State, inner: State | None) -> tuple[Any, State]:
        """One step of the cell inside."""
        return take_step(self.cell, x, state, inner)


def innermost(cell: nn.Module) -> nn.Module:
    """The cell inside all wrappers."""
    while isinstance(cell, Wrapper):
        cell = cell.cell
    return cell


def follow(output: Any, before: State, after: State) -> Any:
    """The output after a wrapper changed the state: a state leaf that was put out stays that leaf.

    Args:
        output: what the cell inside put out.
        before: the state the cell inside returned.
        after: what the wrapper made of it, in the same structure.
    """
    for old, new in zip(leaves(before), leaves(after), strict=True):
        if output is old:
            return new
    return output
