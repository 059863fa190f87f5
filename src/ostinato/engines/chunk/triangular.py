"""Lower triangular matrices, put together from blocks on the diagonal that double in size."""

from __future__ import annotations

import torch
from torch import Tensor


def lower_block(matrix: Tensor, count: int) -> Tensor:
    """Of each of `count` blocks on the diagonal the lower left quarter.

    Args:
        matrix: (..., rows, columns), each divisible by 2 · count.
        count: m.

    Returns:
        (..., m, rows/2m, columns/2m), a view.
    """
    parts = torch.unflatten(torch.unflatten(matrix, -1, (count, 2, -1)), -4, (count, 2, -1))
    return parts[..., 1, :, :, 0, :].diagonal(0, -4, -2).movedim(-1, -3)


def join(blocks: Tensor, lower: Tensor) -> Tensor:
    """Pairs of lower triangular blocks (..., 2m, r, c) and what stands below the first of each.

    Returns:
        (..., m, 2r, 2c).
    """
    *lead, count, rows, columns = blocks.shape
    first, second = torch.unflatten(blocks, -3, (count // 2, 2)).unbind(-3)
    found = blocks.new_zeros(*lead, count // 2, 2 * rows, 2 * columns)
    found[..., :rows, :columns] = first
    found[..., rows:, :columns] = lower
    found[..., rows:, columns:] = second
    return found


def unit_inverse(strict: Tensor) -> Tensor:
    """(I + A)⁻¹ of strictly lower triangular A (..., N, N); N = n · 2ⁱ, in products of blocks."""
    size = strict.shape[-1]
    count = size & -size
    odd = size // count
    eye = torch.eye(odd, dtype=strict.dtype, device=strict.device)
    blocks = torch.unflatten(torch.unflatten(strict, -1, (count, odd)), -3, (count, odd))
    blocks = blocks.diagonal(0, -4, -2).movedim(-1, -3)
    found = eye.expand(*strict.shape[:-2], count, odd, odd)
    if odd > 1:
        found = torch.linalg.solve_triangular(eye + blocks, found, upper=False, unitriangular=True)
    while count > 1:
        count //= 2
        first, second = torch.unflatten(found, -3, (count, 2)).unbind(-3)
        found = join(found, -(second @ lower_block(strict, count) @ first))
    return found[..., 0, :, :]
