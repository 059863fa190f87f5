"""How steps as users have them become those of the recurrence, and what it gives comes back.

The recurrence runs along time over rows of one length and reads a state after its step. Sequences
end to end become rows, time that runs backwards is turned round, and where the state *before* a
step is read, a step that does nothing stands in front and every query moves one step back.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from ostinato.core.sequence import join_tokens, split_tokens
from ostinato.engines.chunk.steps import Steps


@dataclass
class Arrangement:
    """The way there and back.

    Attributes:
        borders: of sequences that lie end to end, or None.
        reverse: whether time runs from the last step to the first.
        exclusive: whether the state before a step is read.
    """

    borders: Tensor | None = None
    reverse: bool = False
    exclusive: bool = False
    _position: Tensor | None = None

    @property
    def plain(self) -> bool:
        """Whether steps are run along time and read after each."""
        return not (self.reverse or self.exclusive)

    def arranged(self, steps: Steps) -> Steps:
        """Steps as the recurrence takes them; what stands beside short rows does nothing."""
        if self.borders is not None:
            steps = self._apart(steps, self.borders)
        count = steps.q.shape[1]
        if not count:
            return steps
        if self.reverse:
            # The updates of a step keep their order.
            steps = steps.map(lambda x: torch.unflatten(x, 1, (count, -1)).flip(1).flatten(1, 2))
        if self.exclusive:
            q = _beside(steps.q, 0, 1)
            steps = steps.map(lambda x: _beside(x, x.shape[1] // count, 0))._replace(q=q)
        return steps

    def outputs(self, o: Tensor) -> Tensor:
        """Outputs of the recurrence (B, T, ...) as the steps were given."""
        return self._back(o[:, :-1] if self.exclusive else o)

    def states(self, states: Tensor) -> Tensor:
        """States after every step (B, T, ...) as the steps were given."""
        return self._back(states[:, 1:] if self.exclusive else states)

    def _back(self, x: Tensor) -> Tensor:
        x = x.flip(1) if self.reverse else x
        return x if self._position is None else join_tokens(x, self._position)

    def _apart(self, steps: Steps, borders: Tensor) -> Steps:
        count = steps.q.shape[1]
        _, _, self._position = split_tokens(steps.q, borders)

        def apart(x: Tensor) -> Tensor:
            padded, _, _ = split_tokens(x, borders * (x.shape[1] // max(1, count)))
            return padded

        return steps.map(apart)


def _beside(x: Tensor, before: int, after: int) -> Tensor:
    """Zeros before and after (B, T, ...)."""
    return F.pad(x, (*[0, 0] * (x.dim() - 2), before, after))
