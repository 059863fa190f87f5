"""The layer that does nothing: it stands where an option leaves another layer out."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from ostinato.core.state import State
from ostinato.over.layer import Options, SequenceLayer


class PassThrough(SequenceLayer):
    """Put out what comes in; the state is an empty tuple.

    Shapes: x and output (B, T, D).
    """

    def initial_state(self, batch_size: int) -> State:
        """The empty tuple."""
        return ()

    def run(self, x: Tensor, state: State | None, options: Options) -> tuple[Any, ...]:
        """Return x (B, T, D), and no state; padding is the caller's."""
        return (x, (), ()) if options.return_states else (x, ())

    def step(
        self, x: Tensor, state: State | None = None, noise: State | None = None
    ) -> tuple[Tensor, State]:
        """Return x (B, D), and no state."""
        return x, ()
