"""Blocks of cells."""

from __future__ import annotations

import pytest
import torch

from ostinato.over.block import Block, gather_blocks, joins, product, scatter_blocks

from .loops import random_gates


def at(gate, x, y):
    return gate[:, x, y]


def test_four_cells_join_by_the_rules_of_the_paper():
    g = random_gates(2, 2)
    rl, ru, dl, du = (
        {"TL": at(t, 0, 0), "TR": at(t, 1, 0), "BL": at(t, 0, 1), "BR": at(t, 1, 1)}
        for t in (g.t_rl, g.t_ru, g.t_dl, g.t_du)
    )
    none = torch.zeros_like(at(g.t_rl, 0, 0))

    def matrix(a, b, c, d):
        return torch.cat([torch.cat([a, b], -1), torch.cat([c, d], -1)], -2)

    turned_down = ru["BR"] * dl["TR"] * rl["TL"] + rl["BR"] * ru["BL"] * dl["TL"]
    new_rl = matrix(rl["TR"] * rl["TL"], none, turned_down, rl["BR"] * rl["BL"])
    straight = rl["BR"] * ru["BL"] * du["TL"] + ru["BR"] * dl["TR"] * ru["TL"]
    new_ru = matrix(rl["TR"] * ru["TL"], ru["TR"], straight, ru["BR"] * du["TR"])
    for axes in ("xy", "yx"):
        whole = g
        for axis in axes:
            whole = whole.doubled(axis)
        torch.testing.assert_close(at(whole.t_rl, 0, 0), new_rl)
        torch.testing.assert_close(at(whole.t_ru, 0, 0), new_ru)
        cells = dict(zip(("TL", "TR", "BL", "BR") if axes == "xy" else ("TL", "BL", "TR", "BR"),
                         range(4), strict=True))  # fmt: skip
        m_u, m_l, s_r, s_d = (
            {"TL": at(t, 0, 0), "TR": at(t, 1, 0), "BL": at(t, 0, 1), "BR": at(t, 1, 1)}
            for t in (g.m_u, g.m_l, g.s_r, g.s_d)
        )
        found = at(whole.g, 0, 0)
        far = m_u["BR"] * dl["TR"] * s_r["TL"] + m_l["BR"] * ru["BL"] * s_d["TL"]
        expected = {
            ("TR", "TL"): m_l["TR"] * s_r["TL"],
            ("BL", "TL"): m_u["BL"] * s_d["TL"],
            ("BR", "TL"): far,
            ("BR", "TR"): m_u["BR"] * s_d["TR"],
            ("BR", "BL"): m_l["BR"] * s_r["BL"],
            ("TR", "BL"): none,
            ("BL", "TR"): none,
        }
        for (row, column), value in expected.items():
            torch.testing.assert_close(found[:, cells[row], cells[column]], value[:, 0, 0])


def test_joining_does_not_depend_on_the_order_of_axes():
    g = random_gates(4, 4, 2)
    one, two = g, g
    for axis in "xyxy":
        one = one.doubled(axis)
    for axis in "xxyy":
        two = two.doubled(axis)
    for name in ("t_rl", "t_ru", "t_dl", "t_du"):
        torch.testing.assert_close(getattr(one, name), getattr(two, name))


def test_cells_in_blocks_and_back():
    x = torch.arange(4 * 8).reshape(4, 8, 1, 1)
    axes = joins(2, 4)
    blocks = gather_blocks(x, axes)
    assert blocks.shape == (2, 2, 8, 1)
    assert sorted(blocks[1, 0].flatten().tolist()) == [16, 17, 18, 19, 24, 25, 26, 27]
    assert scatter_blocks(blocks, axes).equal(x)
    assert joins(4, 1) == ["x", "x"]
    assert sorted(joins(2, 8)) == ["x", "y", "y", "y"]


def test_a_transposed_grid_mirrors_twice_to_itself():
    g = random_gates(3, 2)
    back = g.transposed().transposed()
    assert all(
        torch.equal(a, b) for a, b in zip(vars(g).values(), vars(back).values(), strict=True)
    )
    assert g.transposed().t_rl.shape[1:3] == (2, 3)


def test_padding_passes_on_and_adds_nothing():
    g = random_gates(1, 1, 2).padded(1, 0)
    whole = g.doubled("x")
    torch.testing.assert_close(whole.t_rl, g.t_rl[:, :1])
    torch.testing.assert_close(whole.s_r[..., :1], g.s_r[:, :1])
    assert not whole.s_r[..., 1:].any()
    assert not whole.g[..., 1, :].any()


@pytest.mark.parametrize("inner", [1, 3])
def test_products(inner):
    a, b = torch.randn(5, 2, inner), torch.randn(5, inner, 4)
    torch.testing.assert_close(product(a, b), a @ b)


def test_a_line_has_no_upper_border():
    t, s, m, d = (torch.randn(3, 7, *each) for each in ((2, 2), (2, 4), (5, 2), (5, 4)))
    line = Block.of_line(t, s, m, d)
    assert line.t_du.shape == (3, 7, 1, 0, 0)
