"""What the engine `chunk` asks of a cell."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

from torch import Tensor

from ostinato.core.state import State

if TYPE_CHECKING:
    from ostinato.engines.chunk.matrix_cell import MatrixCell


@runtime_checkable
class AllSteps(Protocol):
    """A `MatrixCell`, or a wrapper that changes how one is read."""

    def matrices(self) -> MatrixCell | None:
        """The cell whose steps `all_steps` does as `forward` would, or None."""

    def all_steps(
        self, x: Tensor, valid: Tensor | None, state: State, backend: str | None = None
    ) -> tuple[Tensor, State]:
        """All steps together; see `MatrixCell`."""
