"""States go over a grid from block to block; blocks on an anti-diagonal are one batch."""

from __future__ import annotations

import torch
from torch import Tensor

from ostinato.over.block import Block, product

__papers__ = ("plstm",)


class Wavefront:
    """A grid of blocks, ready to be run through.

    Args:
        blocks: their gates, leading axes (..., X, Y).
        right: what each block itself adds to what leaves it to the right (..., X, Y, n, F).
        down: downwards (..., X, Y, m, F).

    Attributes:
        shape: the leading axes of a state, and F.
    """

    def __init__(self, blocks: Block, right: Tensor, down: Tensor):
        self.shape = *right.shape[:-4], right.shape[-1]
        self.columns, self.rows = right.shape[-4:-2]
        diagonals = [
            [x * self.rows + k - x for x in range(self.columns) if 0 <= k - x < self.rows]
            for k in range(self.columns + self.rows - 1)
        ]
        self.counts = [len(diagonal) for diagonal in diagonals]
        cells = [cell for diagonal in diagonals for cell in diagonal]
        self.order = torch.tensor(cells, device=right.device)
        self.right, self.down = self._cut(right), self._cut(down)
        self.t_rl, self.t_ru = self._cut(blocks.t_rl), self._cut(blocks.t_ru)
        self.t_dl, self.t_du = self._cut(blocks.t_dl), self._cut(blocks.t_du)

    def run(self, left: Tensor, up: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Run from the upper left to the lower right.

        Args:
            left: what enters from the left (..., Y, n, F).
            up: what enters from above (..., X, m, F).

        Returns:
            What enters every block from the left (..., X, Y, n, F) and from above
            (..., X, Y, m, F), and what leaves the grid to the right and downwards.
        """
        # list[Tensor]() is nothing that torch's compiler can read.
        arriving_l: list[Tensor] = []
        arriving_u: list[Tensor] = []
        leaving_r: list[Tensor] = []
        leaving_d: list[Tensor] = []
        right, down = left[..., :0, :, :], up[..., :0, :, :]
        for k in range(len(self.counts)):
            # Blocks of a diagonal stand from left to right; the first and the last may begin anew.
            a, b = right, down
            if k < self.rows:
                a = torch.cat([left[..., k : k + 1, :, :], a], -3)
            if k < self.columns:
                b = torch.cat([b, up[..., k : k + 1, :, :]], -3)
            arriving_l.append(a)
            arriving_u.append(b)
            right = product(self.t_rl[k], a) + product(self.t_ru[k], b) + self.right[k]
            down = product(self.t_dl[k], a) + product(self.t_du[k], b) + self.down[k]
            if k >= self.columns - 1:
                leaving_r.append(right[..., -1, :, :])
                right = right[..., :-1, :, :]
            if k >= self.rows - 1:
                leaving_d.append(down[..., 0, :, :])
                down = down[..., 1:, :, :]
        entered = self._restored(arriving_l), self._restored(arriving_u)
        return *entered, torch.stack(leaving_r, -3), torch.stack(leaving_d, -3)

    def zeros(self, *shape: int) -> Tensor:
        """Zeros like a state."""
        return self.right[0].new_zeros(shape)

    def _cut(self, tensor: Tensor) -> tuple[Tensor, ...]:
        """(..., X, Y, ·, ·) by diagonals, with a gradient that is computed once for all of them."""
        ordered = tensor.flatten(-4, -3).index_select(-3, self.order)
        return torch.split(ordered, self.counts, -3)

    def _restored(self, diagonals: list[Tensor]) -> Tensor:
        found = torch.cat(diagonals, -3).index_select(-3, self.order.argsort())
        return torch.unflatten(found, -3, (self.columns, self.rows))
