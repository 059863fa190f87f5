"""The gates of pLSTM on a graph."""

from __future__ import annotations

import pytest
import torch

from ostinato.core.errors import ArgumentError
from ostinato.models.graph.plstm_graph_gates import EdgeGates, GateSizes, SlotGates
from ostinato.models.tracking import Tracking
from ostinato.over.block import Block
from ostinato.over.dag import DAG
from ostinato.over.edge_scan import edge_scan
from ostinato.over.edges import Edges
from ostinato.over.grid import grid_scan

STAR = DAG(torch.tensor([[0, 1, 2, 2], [2, 2, 3, 4]]))


def draw(*shape):
    return torch.randn(*shape, dtype=torch.float64)


def test_edges_are_told_apart_by_what_they_carry():
    gates = EdgeGates(4, 2, 3).double()
    x, z = draw(1, 4).expand(5, -1), draw(4, 3)
    source, mark, t = gates(x, z, STAR)
    assert (source.shape, mark.shape, t.shape) == ((4, 2, 1), (4, 2, 1), (4, 2, 1))
    assert len(source.unique()) == len(mark.unique()) == len(t.unique()) == 8
    same = gates(x, z[:1].expand(4, -1), STAR)
    assert all(len(gate.unique(dim=0)) == 1 for gate in same)


def test_edges_are_told_apart_by_their_places():
    gates = SlotGates(4, 2, 2).double()
    source, mark, t = gates(draw(1, 4).expand(5, -1), draw(4, 0), STAR)
    # Edges 0 and 1 enter node 2, edges 2 and 3 leave it; all others are the first of their node.
    assert torch.equal(source[0], source[1])
    assert torch.equal(mark[2], mark[3])
    assert torch.equal(source[2], source[0])
    assert not torch.equal(source[3], source[2])
    assert not torch.equal(mark[0], mark[1])
    assert len(t.unique(dim=0)) == 4


def test_what_enters_begins_by_going_straight_on():
    gates = SlotGates(4, 2, 3)
    straight = torch.unflatten(gates.transition.bias, 0, (3, 3, 2))
    assert torch.equal(straight, 10 * torch.eye(3)[..., None].expand(-1, -1, 2))
    assert (gates.source.bias == -5).all()
    assert (gates.mark.bias == -5).all()


@pytest.mark.parametrize("make", [EdgeGates, lambda *a: SlotGates(*a[:2], 2, a[3])])
def test_several_states_have_matrices_that_begin_near_one(make):
    sizes = GateSizes(Tracking(states=2, keys=3), "householder")
    gates = make(4, 2, 0, sizes).double()
    source, mark, pairs = gates(draw(5, 4), draw(4, 0), STAR)
    assert (source.shape, mark.shape, pairs.shape) == ((4, 2, 6), (4, 2, 2), (4, 2, 7))
    share = torch.tensor(0.5, dtype=torch.float64)
    turn = sizes.turned(share, torch.tensor([0.0, 0, 0, 0, 9, 9], dtype=torch.float64))
    torch.testing.assert_close(turn, 0.5 * torch.eye(2, dtype=torch.float64))
    assert GateSizes(Tracking(), "householder").pair == 1


def test_slots_of_a_grid_are_its_sides():
    columns, rows = 3, 4
    node = torch.arange(columns * rows).view(columns, rows)
    right = torch.stack([node[:-1].flatten(), node[1:].flatten()])
    down = torch.stack([node[:, :-1].flatten(), node[:, 1:].flatten()])
    sides = torch.cat([torch.zeros_like(right), torch.ones_like(down)], 1)
    dag = DAG(torch.cat([right, down], 1), slots=sides)
    gates, x = SlotGates(5, 1, 2).double(), draw(columns * rows, 5)
    q, k, v = (draw(columns * rows, 1, 2) for _ in range(3))
    source, mark, t = gates(x, draw(0), dag)
    found = edge_scan(q, k, v, source, t, mark, Edges.in_order(dag.edges, dag.line_graph))

    t_rl, t_dl, t_ru, t_du = gates._of(gates.transition, x, 4).unbind(1)
    s_r, s_d, m_l, m_u = (
        each
        for linear in (gates.source, gates.mark)
        for each in gates._of(linear, x, 2).sigmoid().unbind(1)
    )
    cells = (t_rl, t_ru, t_dl, t_du, s_r, s_d, m_l, m_u, torch.zeros_like(m_u))
    block = Block(*(each.view(columns, rows, 1, 1) for each in cells))
    grid = (each.view(columns, rows, 1, 2) for each in (q, k, v))
    y, *_ = grid_scan(*grid, block, scale=1.0, block=(1, 1))
    torch.testing.assert_close(found.view_as(y), y, rtol=1e-12, atol=1e-12)


def test_there_are_as_many_slots_as_edges_at_a_node():
    gates = SlotGates(4, 2, 1)
    with pytest.raises(ArgumentError, match=r"got slot 1\. Make the layer with slots=2 or more"):
        gates(torch.randn(5, 4), torch.empty(4, 0), STAR)
    SlotGates(4, 2, 1)(torch.randn(2, 4), torch.empty(0, 0), DAG(torch.zeros(2, 0).long(), 2))
