"""Rows that are padded anywhere but inside, as language models batch prompts: on the left.

A layer takes rows that begin at their first step, with lengths. Turning each row until its padding
stands behind gives that form, and turning it back gives every answer its place.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ostinato.core.errors import ShapeError


class Turned:
    """The way of rows (B, T, ...) there and back.

    Args:
        mask: (B, T), true or 1 on the valid steps of each row.
        batch: B.
        steps: T.

    Attributes:
        lengths: (B,) valid steps.

    Raises:
        ShapeError: if the mask is not (B, T), or what is valid in a row is not in one piece.
    """

    def __init__(self, mask: Tensor, batch: int, steps: int) -> None:
        if mask.shape != (batch, steps):
            raise ShapeError(
                f"attention_mask must be ({batch}, {steps}), true or 1 where x is valid; got "
                f"{list(mask.shape)}."
            )
        valid = mask.bool()
        self.lengths = valid.sum(1)
        self._at = torch.arange(steps, device=mask.device)
        self._first = valid.int().argmax(1, keepdim=True)
        if not self.there(valid).equal(self._at < self.lengths[:, None]):
            raise ShapeError(
                "attention_mask must be valid in one piece of each row, with padding before or "
                "after it; got one with holes. Cut the sequences there, and give cu_seqlens."
            )

    def there(self, x: Tensor) -> Tensor:
        """Rows that begin at their first valid step."""
        return self._taken(x, self._at + self._first)

    def back(self, x: Tensor) -> Tensor:
        """The inverse."""
        return self._taken(x, self._at - self._first)

    def _taken(self, x: Tensor, steps: Tensor) -> Tensor:
        rows = torch.arange(len(x), device=x.device)[:, None]
        return x[rows, (steps % x.shape[1]).to(x.device)]
