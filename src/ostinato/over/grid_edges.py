"""A grid seen from its corners as one graph: states lie on the edges from cell to cell.

Orientations share cells and have edges of their own, two out of every cell but those at the border
where they lead out. So all of them are one `edge_scan`.

Source: Pöppel, Freinschlag, Schmied, Lin & Hochreiter 2025, "pLSTM: parallelizable Linear Source
Transition Mark networks", NeurIPS, arXiv 2506.11997.
"""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

from ostinato.over.block import Block
from ostinato.over.dag import DAG
from ostinato.over.edge_scan import edge_scan
from ostinato.over.edges import Edges

__papers__ = ("plstm",)


Flips = tuple[tuple[str, ...], ...]
"""Which axes of the grid, "x" and "y", each orientation flips."""


def scan_edges(q: Tensor, k: Tensor, v: Tensor, gates: Block, flips: Flips) -> Tensor:
    """What the cells of a grid read of one another in all orientations, (..., X, Y, W, V).

    Args:
        q: queries (..., X, Y, W, K).
        k: keys (..., X, Y, U, K).
        v: values (..., X, Y, U, V).
        gates: leading axes (..., O, X, Y), at the cells as they lie in the grid.
        flips: of the O orientations.
    """
    h = edge_scan(
        q.flatten(-4, -3),
        k.flatten(-4, -3),
        v.flatten(-4, -3),
        _rows(gates.s_r, gates.s_d),
        _rows(gates.t_rl, gates.t_ru, gates.t_dl, gates.t_du),
        _rows(gates.m_l, gates.m_u),
        grid_edges(*q.shape[-4:-2], flips),
    )
    return torch.unflatten(h, -3, q.shape[-4:-2])


@lru_cache(maxsize=32)
def grid_edges(columns: int, rows: int, flips: Flips) -> Edges:
    """The edges of a grid, and which gates are theirs; found once for each size.

    Cell (x, y) is the (x·Y + y)-th. Sources are in the order (orientation, x, y, side), right
    before down; marks likewise, left before up; transitions in that of (orientation, x, y, way),
    the ways rl, ru, dl and du.

    Args:
        columns: X.
        rows: Y.
        flips: of the orientations.
    """
    parts, count = list[tuple[Tensor, ...]](), 0
    for number, flip in enumerate(flips):
        part = _one(columns, rows, flip, number * columns * rows, count)
        parts.append(part)
        count += part[0].shape[1]
    ends, line, sources, turns, marks = (torch.cat(each, -1) for each in zip(*parts, strict=True))
    return Edges(ends, DAG(line, count), sources, turns, marks)


def _one(
    columns: int, rows: int, flip: tuple[str, ...], gates: int, edges: int
) -> tuple[Tensor, ...]:
    """Ends, pairs and gates of an orientation, whose gates and edges begin at these numbers."""
    cell = torch.arange(columns * rows).view(columns, rows)
    cell = cell.flip([{"x": 0, "y": 1}[axis] for axis in flip])
    across, down = (columns - 1) * rows, columns * (rows - 1)
    right = edges + torch.arange(across).view(columns - 1, rows)
    below = edges + across + torch.arange(down).view(columns, rows - 1)
    begin, end = _end_to_end((cell[:-1], cell[:, :-1])), _end_to_end((cell[1:], cell[:, 1:]))
    side = torch.arange(2).repeat_interleave(torch.tensor([across, down]))
    # what enters from the left or above, what leaves to the right or down, and where they meet
    meetings = (
        (right[:-1], right[1:], cell[1:-1]),
        (below[:-1], right[:, 1:], cell[:-1, 1:]),
        (right[:, :-1], below[1:], cell[1:, :-1]),
        (below[:, :-1], below[:, 1:], cell[:, 1:-1]),
    )
    before, after, where = (_end_to_end(each) for each in zip(*meetings, strict=True))
    way = torch.arange(4).repeat_interleave(torch.tensor([each[0].numel() for each in meetings]))
    return (
        torch.stack([begin, end]),
        torch.stack([before, after]),
        2 * (gates + begin) + side,
        4 * (gates + where) + way,
        2 * (gates + end) + side,
    )


def _end_to_end(parts: tuple[Tensor, ...]) -> Tensor:
    return torch.cat([part.flatten() for part in parts])


def _rows(*gates: Tensor) -> Tensor:
    """Gates (..., O, X, Y, ·, ·) side by side, as rows."""
    return torch.stack(gates, -3).flatten(-6, -3)
