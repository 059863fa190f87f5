"""The mean of all steps so far, as a recurrence: pooling over time that can be streamed."""

from __future__ import annotations

import torch
from torch import Tensor

from ostinato.core.cell import Cell

Sums = tuple[Tensor, Tensor]
"""The sum (B, D) and the number of steps (B, 1)."""


class RunningMean(Cell):
    """y_t = (x_0 + … + x_t) / (t + 1); the state is the sum and the count.

    Args:
        size: D.
        device: of the state.
        dtype: of the state.
    """

    one: Tensor

    def __init__(
        self,
        size: int,
        *,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.input_size = self.hidden_size = size
        # follows the dtype of the model, as a parameter would
        self.register_buffer("one", torch.ones((), device=device, dtype=dtype), persistent=False)

    def initial_state(self, batch_size: int) -> Sums:
        """Zeros (B, D) and (B, 1)."""
        return self.zeros(batch_size, self.input_size), self.zeros(batch_size, 1)

    def forward(self, x: Tensor, state: Sums) -> tuple[Tensor, Sums]:
        """One step: x (B, D)."""
        total, count = state[0] + x, state[1] + self.one
        return total / count, (total, count)
