"""Linear recurrence over sequences and grids: source, transition and mark.

At cell (x, y), with L what arrives from the left and U what arrives from above, both (J, K, V):

    h = s qᵀ (M_l L + M_u U + D k vᵀ)
    R = T_rl L + T_ru U + S_r k vᵀ           becomes L at (x+1, y)
    D = T_dl L + T_du U + S_d k vᵀ           becomes U at (x, y+1)

A cell reads what arrives, before its own source is added. Blocks of cells are joined first
(`Block`); then states go from block to block, all blocks on an anti-diagonal at once.

Source: Pöppel, Freinschlag, Schmied, Lin & Hochreiter 2025, "pLSTM: parallelizable Linear Source
Transition Mark networks", NeurIPS, arXiv 2506.11997.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from ostinato.core.errors import ArgumentError, ShapeError
from ostinato.over.block import Block, gather_blocks, joins, product, scatter_blocks
from ostinato.over.wavefront import Wavefront

__papers__ = ("plstm",)


def grid_scan(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    gates: Block,
    *,
    block: tuple[int, int] = (8, 8),
    left: Tensor | None = None,
    up: Tensor | None = None,
    scale: float | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """Run over a grid from its upper left to its lower right corner.

    Blocks of one cell are the plain wavefront, a block as large as the grid is one masked
    attention; what lies between trades products for steps, and changes nothing else.

    Args:
        q: queries (..., X, Y, W, K).
        k: keys (..., X, Y, U, K).
        v: values (..., X, Y, U, V).
        gates: of every cell, leading axes (..., X, Y).
        block: cells of a block along x and y, powers of two; cut to the size of the grid.
        left: what enters from the left (..., Y, J, K, V); None: zero.
        up: what enters from above (..., X, J, K, V); None: zero.
        scale: of the queries; None: K^{−1/2}.

    Returns:
        The outputs (..., X, Y, W, V), what leaves to the right (..., Y, J, K, V) and downwards
        (..., X, J, K, V).

    Raises:
        ArgumentError: if a side of a block is no power of two.
        ShapeError: if the tensors do not fit together.
    """
    _check(q, k, v, gates, block)
    cells = q.shape[-4:-2]
    size = [min(side, _power(count)) for side, count in zip(block, cells, strict=True)]
    axes, spare = joins(*size), (-cells[0] % size[0], -cells[1] % size[1])
    blocks = _joined(gates.padded(*spare), axes)
    q = q * (q.shape[-1] ** -0.5 if scale is None else scale)
    q, k, v = (gather_blocks(F.pad(each, (0, 0, 0, 0, 0, spare[1], 0, spare[0])), axes)
               for each in (q, k, v))  # fmt: skip
    wave = Wavefront(blocks, _write(blocks.s_r, k, v), _write(blocks.s_d, k, v))
    sides = (
        _Side("left", cells[1], size[1], gates.t_rl.shape[-1]),
        _Side("up", cells[0], size[0], gates.t_du.shape[-1]),
    )
    borders = [side.enter(state, wave) for side, state in zip(sides, (left, up), strict=True)]
    from_left, from_above, *leaving = wave.run(*borders)
    marks, entered = torch.cat([blocks.m_l, blocks.m_u], -1), torch.cat([from_left, from_above], -2)
    y = product(blocks.g * (q @ k.mT), v) + _read(marks, q, entered)
    y = scatter_blocks(y, axes)[..., : cells[0], : cells[1], :, :]
    sizes = k.shape[-1], v.shape[-1]
    right, down = (side.leave(state, sizes) for side, state in zip(sides, leaving, strict=True))
    return y, right, down


def line_scan(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    transition: Tensor,
    source: Tensor,
    mark: Tensor,
    direct: Tensor,
    *,
    block: int = 64,
    init: Tensor | None = None,
    scale: float | None = None,
) -> tuple[Tensor, Tensor]:
    """Run over a sequence: `grid_scan` over a grid of one row.

        h_t = s qᵀ (M_t C_{t−1} + D_t k_t v_tᵀ)
        C_t = T_t C_{t−1} + S_t k_t v_tᵀ

    Args:
        q: queries (..., T, W, K).
        k: keys (..., T, U, K).
        v: values (..., T, U, V).
        transition: (..., T, J, J).
        source: (..., T, J, U).
        mark: (..., T, W, J).
        direct: (..., T, W, U).
        block: how many steps are computed together, a power of two.
        init: C before the first step (..., J, K, V); None: zero.
        scale: of the queries; None: K^{−1/2}.

    Returns:
        The outputs (..., T, W, V) and C after the last step (..., J, K, V).
    """
    gates = Block.of_line(transition, source, mark, direct)
    q, k, v = (each.unsqueeze(-3) for each in (q, k, v))
    left = None if init is None else init.unsqueeze(-4)
    y, right, _ = grid_scan(q, k, v, gates, block=(block, 1), left=left, scale=scale)
    return y.squeeze(-3), right.squeeze(-4)


def gating_matrix(gates: Block) -> Tensor:
    """From what every cell writes to what every cell reads, (..., X·Y·W, X·Y·U).

    Cells stand column by column: the one at (x, y) is the (x·Y + y)-th.

    Args:
        gates: of every cell, leading axes (..., X, Y).
    """
    columns, rows = gates.g.shape[-4:-2]
    size = _power(columns), _power(rows)
    axes = joins(*size)
    whole = _joined(gates.padded(size[0] - columns, size[1] - rows), axes).g
    for _ in range(2):  # first what is read, then what is written
        inside = scatter_blocks(whole, axes)[..., :columns, :rows, :, :]
        whole = inside.flatten(-4, -2).mT[..., None, None, :, :]
    return whole[..., 0, 0, :, :]


@dataclass(frozen=True)
class _Side:
    """A side of the grid: its name, cells, cells of a block, and states that cross a cell."""

    name: str
    cells: int
    block: int
    states: int

    def enter(self, state: Tensor | None, wave: Wavefront) -> Tensor:
        """What enters block by block (..., P, block·J, K·V), from (..., cells, J, K, V)."""
        *lead, width = wave.shape
        count = -(-self.cells // self.block)
        if state is None:
            return wave.zeros(*lead, count, self.block * self.states, width)
        if state.shape[-4:-2] != (self.cells, self.states) or state.shape[-2:].numel() != width:
            raise ShapeError(
                f"What enters from `{self.name}` needs the axes (..., {self.cells}, {self.states}, "
                f"K, V) of a grid with that many cells on this side; got {list(state.shape)}."
            )
        flat = F.pad(state.flatten(-2), (0, 0, 0, 0, 0, count * self.block - self.cells))
        blocks = torch.unflatten(flat, -3, (count, self.block)).flatten(-3, -2)
        return blocks.expand(*lead, -1, -1, -1)

    def leave(self, state: Tensor, sizes: tuple[int, int]) -> Tensor:
        """The inverse of `enter`, for keys and values of these sizes."""
        cells = torch.unflatten(state, -2, (self.block, self.states)).flatten(-4, -3)
        return torch.unflatten(cells[..., : self.cells, :, :], -1, sizes)


def _joined(blocks: Block, axes: list[str]) -> Block:
    for axis in axes:
        blocks = blocks.doubled(axis)
    return blocks


def _write(source: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """What the cells of a block add to what leaves it: (..., J, U), (..., U, K), (..., U, V)."""
    weighted = source.unsqueeze(-2) * k.mT.unsqueeze(-3)  # (..., J, K, U)
    written = product(weighted.flatten(-3, -2), v)
    return torch.unflatten(written, -2, weighted.shape[-3:-1]).flatten(-2)


def _read(mark: Tensor, q: Tensor, state: Tensor) -> Tensor:
    """What queries (..., W, K) find in a state (..., J, K·V) under marks (..., W, J)."""
    weighted = mark.unsqueeze(-1) * q.unsqueeze(-2)  # (..., W, J, K)
    keys = torch.unflatten(state, -1, (q.shape[-1], state.shape[-1] // q.shape[-1]))
    return weighted.flatten(-2) @ keys.flatten(-3, -2)


def _power(count: int) -> int:
    """The least power of two that is not below `count`."""
    return 1 << max(count - 1, 0).bit_length()


def _check(q: Tensor, k: Tensor, v: Tensor, gates: Block, block: tuple[int, int]) -> None:
    if any(side < 1 or side & (side - 1) for side in block):
        raise ArgumentError(f"The sides of a block are powers of two; got block={block}.")
    reads, writes = gates.g.shape[-2:]
    cells = gates.g.shape[-4:-2]
    for name, each, count in (("q", q, reads), ("k", k, writes), ("v", v, writes)):
        if each.dim() < 4 or each.shape[-4:-1] != (*cells, count) or 0 in cells:
            raise ShapeError(
                f"{name} needs the axes (..., {cells[0]}, {cells[1]}, {count}, ·) for gates of a "
                f"grid of {cells[0]} × {cells[1]} cells, one at least; got {list(each.shape)}."
            )
    if q.shape[-1] != k.shape[-1]:
        raise ShapeError(f"q and k need one size; got {q.shape[-1]} and {k.shape[-1]}.")
