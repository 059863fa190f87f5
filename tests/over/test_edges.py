"""Edges that carry states."""

from __future__ import annotations

import torch

from ostinato.over.edges import Edges

from .dags import random_dag


def test_in_order_every_edge_and_every_pair_has_a_row_of_its_own():
    dag = random_dag(6, 12)
    edges = Edges.in_order(dag.edges, dag.line_graph)
    count, pairs = dag.edges.shape[1], dag.line_graph.edges.shape[1]
    assert edges.least == (int(dag.edges.max()) + 1, count, pairs, count)
    assert torch.equal(edges.turns, torch.arange(pairs))


def test_no_edge_asks_for_no_row():
    none = torch.zeros(2, 0, dtype=torch.int64)
    assert Edges(none, random_dag(3, 0), *none.new_zeros(3, 0)).least == (0, 0, 0, 0)
