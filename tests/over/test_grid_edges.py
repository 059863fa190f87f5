"""A grid as a graph of edges."""

from __future__ import annotations

import torch

from ostinato.over.grid_edges import grid_edges, scan_edges
from ostinato.over.orientation import FLIPS, oriented_scan

from .test_orientation import case


def test_edges_lead_to_neighbours_and_meet_where_they_should():
    edges = grid_edges(3, 4, FLIPS)
    begin, end = (torch.stack([cells // 4, cells % 4]) for cells in edges.ends)
    assert edges.ends.shape[1] == 4 * (2 * 4 + 3 * 3)
    assert ((begin - end).abs().sum(0) == 1).all()
    before, after = edges.line.edges
    assert torch.equal(edges.ends[1][before], edges.ends[0][after])
    orientation = edges.sources // 24
    assert torch.equal(orientation[before], orientation[after])
    for rows, ends in ((edges.sources, edges.ends[0]), (edges.marks, edges.ends[1])):
        assert torch.equal(rows // 2 % 12, ends)
        assert len(rows.unique()) == len(rows)
    assert torch.equal(edges.turns // 4 % 12, edges.ends[0][after])
    # a way is named by the side that is left and the side that is entered: rl, ru, dl, du
    leaves, enters = edges.sources % 2, edges.marks % 2
    assert torch.equal(edges.turns % 4, 2 * leaves[after] + enters[before])


def test_gradients_are_those_of_one_masked_attention():
    *parts, direct = case(3, 5)
    q, k, v, gates = parts
    leaves = [each.requires_grad_() for each in (q, k, v, gates.t_ru, gates.s_d, gates.m_l)]
    found = scan_edges(q, k, v, gates, FLIPS)
    weight = torch.randn_like(found)
    expected = oriented_scan(q, k, v, gates, 0 * direct, scale=1.0)
    grads = [torch.autograd.grad((y * weight).sum(), leaves) for y in (found, expected)]
    torch.testing.assert_close(*grads, rtol=1e-12, atol=1e-12)


def test_one_cell_reads_nothing():
    q, k, v, gates, _ = case(1, 1)
    assert not scan_edges(q, k, v, gates, FLIPS).any()
