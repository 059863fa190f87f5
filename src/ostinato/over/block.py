"""What a rectangle of grid cells does to what flows through it, and how two rectangles are one.

Cell states enter a block from the left and from above, and leave it to the right and downwards:

    r = T_rl l + T_ru u + S_r w        S: what the cells of the block write
    d = T_dl l + T_du u + S_d w
    y = M_l  l + M_u  u + G  w         M: what they read at the border, G: from each other

All is linear, so two neighbours are again such a block, with longer borders. Joining pairs until
one block is left needs log₂ of the number of cells steps, each of large products. A sequence is a
grid whose blocks have no upper and no lower border.

Source: Pöppel, Freinschlag, Schmied, Lin & Hochreiter 2025, "pLSTM: parallelizable Linear Source
Transition Mark networks", NeurIPS, arXiv 2506.11997.
Deviation: the paper joins 2 × 2 blocks at once. Two at a time is the same in half the rules, and
serves sequences, flat blocks and square ones alike.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields

import torch
from torch import Tensor
from torch.nn import functional as F

__papers__ = ("plstm",)


@dataclass(frozen=True)
class Block:
    """The gates of all blocks of a grid, at first of its single cells.

    Leading axes (..., X, Y), x to the right and y down; the last two axes are a matrix. J states
    cross a side of a single cell, W are read from it and U written into it, one each in most
    models.

    Attributes:
        t_rl: transition from the left to the right (..., J, J).
        t_ru: from above to the right.
        t_dl: from the left downwards.
        t_du: from above downwards.
        s_r: source to the right (..., J, U).
        s_d: source downwards.
        m_l: mark on what comes from the left (..., W, J).
        m_u: mark on what comes from above.
        g: from what is written to what is read (..., W, U); in a single cell the direct gate.
    """

    t_rl: Tensor
    t_ru: Tensor
    t_dl: Tensor
    t_du: Tensor
    s_r: Tensor
    s_d: Tensor
    m_l: Tensor
    m_u: Tensor
    g: Tensor

    @classmethod
    def of_line(cls, transition: Tensor, source: Tensor, mark: Tensor, direct: Tensor) -> Block:
        """The gates of sequences (..., T, ·, ·) as those of grids (..., T, 1, ·, ·)."""
        t, s, m, g = (each.unsqueeze(-3) for each in (transition, source, mark, direct))
        none, row, column = t[..., :0, :0], t[..., :0, :], t[..., :, :0]
        return cls(t, column, row, none, s, s[..., :0, :], m, m[..., :, :0], g)

    def map(self, function: Callable[[Tensor], Tensor]) -> Block:
        """The same function of every gate."""
        return Block(**{field.name: function(getattr(self, field.name)) for field in fields(self)})

    def transposed(self) -> Block:
        """The grid mirrored at its diagonal: right and down, left and up change places."""
        swapped = Block(
            t_rl=self.t_du,
            t_ru=self.t_dl,
            t_dl=self.t_ru,
            t_du=self.t_rl,
            s_r=self.s_d,
            s_d=self.s_r,
            m_l=self.m_u,
            m_u=self.m_l,
            g=self.g,
        )
        return swapped.map(lambda gate: gate.transpose(-4, -3))

    def padded(self, x: int, y: int) -> Block:
        """With x more columns and y more rows, which pass on what enters and do nothing else."""
        if not (x or y):
            return self
        zero = self.map(lambda gate: F.pad(gate, (0, 0, 0, 0, 0, y, 0, x)))
        inside = self.g.new_zeros(zero.g.shape[-4:-2])
        inside[: self.g.shape[-4], : self.g.shape[-3]] = 1
        through = (1 - inside)[..., None, None]
        straight = {
            name: gate + through * torch.eye(gate.shape[-1], dtype=gate.dtype, device=gate.device)
            for name, gate in (("t_rl", zero.t_rl), ("t_du", zero.t_du))
        }
        return Block(**{**vars(zero), **straight})

    def doubled(self, axis: str) -> Block:
        """Every second block joined with its neighbour along "x" or "y"; their number is even."""
        if axis == "y":
            return self.transposed().doubled("x").transposed()
        return _beside(
            self.map(lambda gate: gate[..., 0::2, :, :, :]),
            self.map(lambda gate: gate[..., 1::2, :, :, :]),
        )


def joins(x: int, y: int) -> list[str]:
    """Along which axes cells are joined into blocks of x × y, both powers of two."""
    longer = "x" * (x.bit_length() - 1), "y" * (y.bit_length() - 1)
    both = min(map(len, longer))
    # Turn by turn borders stay short while there are many blocks.
    return [*"xy" * both, *longer[0][both:], *longer[1][both:]]


def gather_blocks(x: Tensor, axes: list[str]) -> Tensor:
    """What belongs to cells, (..., X, Y, n, C), as (..., X', Y', n', C) of blocks."""
    for axis in axes:
        dim = -4 if axis == "x" else -3
        parts = torch.unflatten(x, dim, (x.shape[dim] // 2, 2)).unbind(dim)
        x = torch.cat(parts, -2)
    return x


def scatter_blocks(x: Tensor, axes: list[str]) -> Tensor:
    """The inverse of `gather_blocks`."""
    for axis in reversed(axes):
        dim = -4 if axis == "x" else -3
        x = torch.stack(x.chunk(2, -2), dim).flatten(dim - 1, dim)
    return x


def product(a: Tensor, b: Tensor) -> Tensor:
    """The matrix product; of one column and one row by broadcasting.

    A product of very many such small matrices takes torch several times longer on the CPU.
    """
    return a * b if a.shape[-1] == 1 else a @ b


def matches(q: Tensor, k: Tensor) -> Tensor:
    """The products (..., W, U) of queries (..., W, K) with keys (..., U, K); of one each by a sum.

    As in `product`: of very many small matrices that is several times faster on the CPU.
    """
    single = q.shape[-2] == k.shape[-2] == 1
    return (q * k).sum(-1, keepdim=True) if single else q @ k.mT


def _beside(a: Block, b: Block) -> Block:
    """Blocks a and, to the right of each, b."""
    return Block(
        t_rl=product(b.t_rl, a.t_rl),
        t_ru=torch.cat([product(b.t_rl, a.t_ru), b.t_ru], -1),
        t_dl=torch.cat([a.t_dl, product(b.t_dl, a.t_rl)], -2),
        t_du=_lower(a.t_du, product(b.t_dl, a.t_ru), b.t_du),
        s_r=torch.cat([product(b.t_rl, a.s_r), b.s_r], -1),
        s_d=_lower(a.s_d, product(b.t_dl, a.s_r), b.s_d),
        m_l=torch.cat([a.m_l, product(b.m_l, a.t_rl)], -2),
        m_u=_lower(a.m_u, product(b.m_l, a.t_ru), b.m_u),
        g=_lower(a.g, product(b.m_l, a.s_r), b.g),
    )


def _lower(a: Tensor, c: Tensor, d: Tensor) -> Tensor:
    """[[a, 0], [c, d]]."""
    return torch.cat([F.pad(a, (0, d.shape[-1])), torch.cat([c, d], -1)], -2)
