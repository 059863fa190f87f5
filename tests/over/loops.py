"""Grids cell by cell, as their equations stand; what tests compare with."""

from __future__ import annotations

import torch

from ostinato.over.block import Block


def grid_loop(q, k, v, gates, left, up):
    """A double loop: outputs, what leaves to the right, what leaves downwards."""
    columns, rows = gates.g.shape[-4:-2]
    scale, ein = q.shape[-1] ** -0.5, torch.einsum
    above = [up[..., x, :, :, :] for x in range(columns)]
    out, ys = [], [[None] * rows for _ in range(columns)]
    for y in range(rows):
        before = left[..., y, :, :, :]
        for x in range(columns):
            here = gates.map(lambda gate, x=x, y=y: gate[..., x, y, :, :])
            qs, ks, vs = (each[..., x, y, :, :] for each in (q, k, v))
            found = ein("...wj,...jkv->...wkv", here.m_l, before)
            found = found + ein("...wj,...jkv->...wkv", here.m_u, above[x])
            found = found + ein("...wu,...uk,...uv->...wkv", here.g, ks, vs)
            ys[x][y] = scale * ein("...wk,...wkv->...wv", qs, found)

            def leaves(t_l, t_u, s, before=before, over=above[x], ks=ks, vs=vs):
                passed = ein("...ij,...jkv->...ikv", t_l, before)
                passed = passed + ein("...ij,...jkv->...ikv", t_u, over)
                return passed + ein("...ju,...uk,...uv->...jkv", s, ks, vs)

            before, above[x] = (
                leaves(here.t_rl, here.t_ru, here.s_r),
                leaves(here.t_dl, here.t_du, here.s_d),
            )
        out.append(before)
    y = torch.stack([torch.stack(column, -3) for column in ys], -4)
    return y, torch.stack(out, -4), torch.stack(above, -4)


def draw(*shape):
    return torch.randn(2, *shape, dtype=torch.float64)


def random_gates(columns, rows, states=1, reads=1, writes=1, scale=0.6):
    """Gates (2, X, Y, ·, ·) in float64."""
    matrices = [
        *[(states, states)] * 4, *[(states, writes)] * 2, *[(reads, states)] * 2, (reads, writes)
    ]  # fmt: skip
    return Block(*(scale * draw(columns, rows, *each) for each in matrices))


def random_grid(columns, rows, states=1, reads=1, writes=1):
    """q, k, v, gates and what enters from the left and from above."""
    return (
        draw(columns, rows, reads, 3),
        draw(columns, rows, writes, 3),
        draw(columns, rows, writes, 2),
        random_gates(columns, rows, states, reads, writes),
        draw(rows, states, 3, 2),
        draw(columns, states, 3, 2),
    )


def constant_gates(columns, rows, rl, ru, dl, du):
    """Every transition the same, every source and mark 1, no direct gate."""
    one = torch.ones(columns, rows, 1, 1, dtype=torch.float64)
    return Block(rl * one, ru * one, dl * one, du * one, one, one, one, one, 0 * one)
