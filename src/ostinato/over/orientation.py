"""A grid seen from its four corners: gates flipped, results flipped back and added up.

Orientation 0 runs to the right and down, 1 to the left and down, 2 to the right and up, 3 to the
left and up. Queries, keys and values are shared, gates are not.

Source: Pöppel, Freinschlag, Schmied, Lin & Hochreiter 2025, "pLSTM: parallelizable Linear Source
Transition Mark networks", NeurIPS, arXiv 2506.11997.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ostinato.over.block import Block
from ostinato.over.grid import gating_matrix, grid_scan

__papers__ = ("plstm",)

FLIPS: tuple[tuple[str, ...], ...] = ((), ("x",), ("y",), ("x", "y"))
"""Which axes of the grid each orientation flips."""

_AXES = {"x": -4, "y": -3}


def flipped(x: Tensor) -> Tensor:
    """Each orientation flipped so that it runs to the right and down, or back from there.

    Args:
        x: (..., O, X, Y, ·, ·) with O ≤ 4 orientations.
    """
    parts = zip(x.unbind(-5), FLIPS, strict=False)
    return torch.stack([part.flip([_AXES[axis] for axis in flip]) for part, flip in parts], -5)


def oriented_scan(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    gates: Block,
    direct: Tensor,
    *,
    block: tuple[int, int] | None = None,
    scale: float | None = None,
) -> Tensor:
    """The sum over the orientations of a grid, (..., X, Y, W, V).

    Args:
        q: queries (..., X, Y, W, K).
        k: keys (..., X, Y, U, K).
        v: values (..., X, Y, U, V).
        gates: leading axes (..., O, X, Y), at the cells as they lie in the grid; `t_rl` of
            orientation 1 leads from the right to the left, and so on. Their `g` is not read.
        direct: (..., X, Y, W, U), what cells read of themselves; added once.
        block: as in `grid_scan`; None: one gating matrix for the sum of all orientations, which
            is one masked attention over the X·Y cells.
        scale: of the queries; None: K^{−1/2}.
    """
    turned = gates.map(flipped)
    turned = Block(**{**vars(turned), "g": torch.zeros_like(turned.g)})
    own = direct * (q @ k.mT) * (q.shape[-1] ** -0.5 if scale is None else scale)
    if block is None:
        return _attend(q, k, v, _summed(turned), scale) + own @ v
    turns = gates.g.shape[-5]
    qs, ks, vs = (flipped(_repeated(part, turns)) for part in (q, k, v))
    y = grid_scan(qs, ks, vs, turned, block=block, scale=scale)[0]
    return flipped(y).sum(-5) + own @ v


def _repeated(x: Tensor, orientations: int) -> Tensor:
    return x.unsqueeze(-5).expand(*x.shape[:-4], orientations, *x.shape[-4:])


def _summed(gates: Block) -> Tensor:
    """The sum of the orientations' gating matrices (..., X·Y·W, X·Y·U), each flipped back."""
    cells, (reads, writes) = gates.g.shape[-4:-2], gates.g.shape[-2:]
    matrix = gating_matrix(gates)
    parts = torch.unflatten(torch.unflatten(matrix, -1, (*cells, writes)), -4, (*cells, reads))
    dims = {"x": (-6, -3), "y": (-5, -2)}
    total = sum(
        part.flip([dim for axis in flip for dim in dims[axis]])
        for part, flip in zip(parts.unbind(-7), FLIPS, strict=False)
    )
    assert isinstance(total, Tensor)
    return total.flatten(-3).flatten(-4, -2)


def _attend(q: Tensor, k: Tensor, v: Tensor, gating: Tensor, scale: float | None) -> Tensor:
    """Masked attention over all cells."""
    shape = q.shape[-4:-1]
    q = q * (q.shape[-1] ** -0.5 if scale is None else scale)
    q, k, v = (each.flatten(-4, -2) for each in (q, k, v))
    return torch.unflatten((gating * (q @ k.mT)) @ v, -2, shape)
