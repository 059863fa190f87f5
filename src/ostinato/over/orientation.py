"""A grid seen from its four corners: gates flipped, results flipped back and added up.

Orientation 0 runs to the right and down, 1 to the left and down, 2 to the right and up, 3 to the
left and up. Queries, keys and values are shared, gates are not.

Source: Pöppel, Freinschlag, Schmied, Lin & Hochreiter 2025, "pLSTM: parallelizable Linear Source
Transition Mark networks", NeurIPS, arXiv 2506.11997.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ostinato.core.form import Form
from ostinato.over.block import Block, matches, product
from ostinato.over.edge_scan import edge_forms
from ostinato.over.grid import gating_matrix, grid_scan
from ostinato.over.grid_edges import scan_edges

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
            is one masked attention over the X·Y cells. Single cells, (1, 1), are a compiled loop
            on the CPU (`scan_edges`).
        scale: of the queries; None: K^{−1/2}.
    """
    form, _ = oriented_forms(q, block)
    if form == "attention":
        return _attend(q, k, v, _summed(_turned(gates)), scale) + _own(q, k, v, direct, scale)
    if form == "edges":
        flips = FLIPS[: gates.g.shape[-5]]
        return scan_edges(_scaled(q, scale), k, v, gates, flips) + _own(q, k, v, direct, scale)
    return oriented_run(q, k, v, gates, direct, block=block, scale=scale)[0]


def oriented_forms(q: Tensor, block: tuple[int, int] | None) -> tuple[str, dict[str, Form]]:
    """In which form `oriented_scan` computes such queries and blocks, and all that there are."""
    _, edges = edge_forms(q)
    cells = "runs single cells: block=(1, 1)"
    forms = {
        "attention": Form(
            "one masked attention over all cells",
            None if block is None else "block=None asks for it",
        ),
        "blocks": Form("blocks of cells, one anti-diagonal after the other"),
        "edges": Form(
            "one compiled loop from cell to cell",
            edges["compiled"].obstacle if block == (1, 1) else cells,
        ),
    }
    if block is None:
        return "attention", forms
    return "blocks" if forms["edges"].obstacle else "edges", forms


def oriented_run(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    gates: Block,
    direct: Tensor,
    *,
    block: tuple[int, int] | None = None,
    left: Tensor | None = None,
    up: Tensor | None = None,
    scale: float | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """The same as `oriented_scan`, of a part of a grid: with what enters it and what leaves it.

    Args:
        q: queries, and k, v, gates, direct and scale as for `oriented_scan`.
        k: keys.
        v: values.
        gates: of the orientations.
        direct: what cells read of themselves.
        block: as in `grid_scan`; None: the whole grid.
        left: what enters where each orientation begins along x (..., O, Y, J, K, V), in the order
            of the grid; None: zero.
        up: what enters where it begins along y (..., O, X, J, K, V).
        scale: of the queries.

    Returns:
        The sum (..., X, Y, W, V), and what leaves where each orientation ends along x and along
        y, like `left` and `up`.
    """
    turns, cells = gates.g.shape[-5], gates.g.shape[-4:-2]
    if block is None:
        side = 1 << max(cells).bit_length()
        block = side, side
    qs, ks, vs = (flipped(_repeated(part, turns)) for part in (q, k, v))
    borders = {"left": _side(left, "y"), "up": _side(up, "x")}
    y, right, down = grid_scan(qs, ks, vs, _turned(gates), block=block, scale=scale, **borders)
    whole = flipped(y).sum(-5) + _own(q, k, v, direct, scale)
    return whole, _turned_side(right, "y"), _turned_side(down, "x")


def _turned(gates: Block) -> Block:
    turned = gates.map(flipped)
    return Block(**{**vars(turned), "g": torch.zeros_like(turned.g)})


def _own(q: Tensor, k: Tensor, v: Tensor, direct: Tensor, scale: float | None) -> Tensor:
    """What cells read of what they write themselves."""
    return product(direct * matches(_scaled(q, scale), k), v)


def _scaled(q: Tensor, scale: float | None) -> Tensor:
    return q * (q.shape[-1] ** -0.5 if scale is None else scale)


def _side(states: Tensor | None, axis: str) -> Tensor | None:
    return None if states is None else _turned_side(states, axis)


def _turned_side(states: Tensor, axis: str) -> Tensor:
    """The states of a side along an axis (..., O, cells, J, K, V), flipped with the grid."""
    parts = zip(states.unbind(-5), FLIPS, strict=False)
    return torch.stack([part.flip(-4) if axis in flip else part for part, flip in parts], -5)


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
    q, k, v = (each.flatten(-4, -2) for each in (_scaled(q, scale), k, v))
    return torch.unflatten((gating * (q @ k.mT)) @ v, -2, shape)
