"""What the episodes under way have brought so far."""

from __future__ import annotations

import torch
from torch import Tensor


class EpisodeTotals:
    """Sums of rewards and numbers of steps, of E episodes under way.

    Args:
        number: E.
    """

    def __init__(self, number: int) -> None:
        self.returns, self.lengths = torch.zeros(number), torch.zeros(number, dtype=torch.long)

    def add(self, reward: Tensor) -> None:
        """Count a step that brought the rewards (E,)."""
        self.returns, self.lengths = self.returns + reward, self.lengths + 1

    def take(self, over: Tensor) -> tuple[Tensor, Tensor]:
        """Returns and lengths (F,) of the episodes that are over, (E,) bool; they begin anew."""
        ended = self.returns[over], self.lengths[over]
        self.returns = self.returns.masked_fill(over, 0)
        self.lengths = self.lengths.masked_fill(over, 0)
        return ended
