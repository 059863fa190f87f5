"""Graphs thinned out to one path."""

from __future__ import annotations

import pytest
import torch

from ostinato.over.dag import DAG

from .dags import DIAMOND, random_dag


def paths(dag):
    """How many paths lead from each node to each other one."""
    step = torch.zeros(dag.nodes, dag.nodes, dtype=torch.int64)
    for source, target in dag.edges.T.tolist():
        step[source, target] += 1
    total, power = torch.zeros_like(step), torch.eye(dag.nodes, dtype=torch.int64)
    for _ in range(dag.nodes):
        power = power @ step
        total += power
    return total


@pytest.mark.parametrize("seed", range(6))
def test_at_most_one_path_is_left_and_every_node_keeps_a_predecessor(seed):
    dag = random_dag(10, 24, seed)
    thinned, _ = dag.multitree
    assert paths(dag).max() > 1
    assert paths(thinned).max() == 1
    assert set(thinned.edges[1].tolist()) == set(dag.edges[1].tolist())


def test_no_edge_that_could_stay_is_dropped():
    dag = random_dag(8, 20, 1)
    _, kept = dag.multitree
    for edge in (~kept).nonzero().flatten():
        more = kept.clone()
        more[edge] = True
        assert paths(DAG(dag.edges[:, more], dag.nodes)).max() > 1


def test_line_graphs_and_trees():
    line = DAG(DIAMOND).line_graph
    assert line.multitree[1].all()
    tree = DAG(torch.tensor([[0, 0, 1], [1, 2, 3]]))
    assert tree.multitree[1].all()
