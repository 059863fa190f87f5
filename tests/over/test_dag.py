"""Directed acyclic graphs."""

from __future__ import annotations

import pytest
import torch

from ostinato.core.errors import ArgumentError, ShapeError
from ostinato.over.dag import DAG

from .dags import DIAMOND, random_dag


def longest_paths(dag):
    found = [0] * dag.nodes
    for _ in range(dag.nodes):
        for source, target in dag.edges.T.tolist():
            found[target] = max(found[target], found[source] + 1)
    return found


def test_the_level_of_a_node_is_its_longest_path():
    assert DAG(DIAMOND).level.tolist() == [0, 1, 1, 2]
    for seed in range(5):
        dag = random_dag(12, 20, seed)
        assert dag.level.tolist() == longest_paths(dag)


def test_the_schedule_reads_every_edge_once_from_where_its_source_is():
    dag = random_dag(15, 40)
    schedule = dag.schedule
    assert sorted(schedule.nodes.tolist()) == list(range(15))
    assert sorted(schedule.edges.tolist()) == list(range(dag.edges.shape[1]))
    levels = schedule.nodes.split([level.nodes for level in schedule.levels])
    edges = schedule.edges.split([level.edges for level in schedule.levels])
    for here, level, read in zip(levels, schedule.levels, edges, strict=True):
        sources = [levels[k][rows] for k, rows in level.sources]
        found = torch.cat(sources) if sources else read
        assert dag.edges[0, read].tolist() == found.tolist()
        assert dag.edges[1, read].tolist() == here[level.target].tolist()


def test_a_path_has_as_many_levels_as_nodes_and_a_joined_batch_no_more():
    path = DAG(torch.tensor([[0, 1, 2], [1, 2, 3]]))
    both = DAG.join([path, DAG(DIAMOND), DAG(torch.empty(2, 0, dtype=torch.int64), 2)])
    assert len(path.schedule.levels) == len(both.schedule.levels) == 4
    assert both.nodes == 10
    assert both.graphs == 3
    assert both.graph.tolist() == [0] * 4 + [1] * 4 + [2] * 2
    assert both.edges[:, 3:].equal(DIAMOND + 4)


def test_a_reversed_graph_has_its_edges_in_the_same_order():
    dag = DAG(DIAMOND)
    assert dag.reversed.edges.equal(DIAMOND.flip(0))
    assert dag.reversed.level.tolist() == [2, 1, 1, 0]


def test_slots_are_the_places_of_edges_at_their_nodes():
    dag = DAG(torch.tensor([[0, 1, 0, 1, 0], [2, 3, 3, 2, 3]]))
    assert dag.slots.tolist() == [[0, 0, 1, 1, 2], [0, 0, 1, 1, 2]]
    assert dag.reversed.slots.equal(dag.slots.flip(0))
    assert DAG(DIAMOND).slots.tolist() == [[0, 1, 0, 0, 2], [0, 0, 0, 1, 2]]
    given = torch.tensor([[3, 1, 0, 2, 5], [1, 1, 0, 2, 4]])
    placed = DAG(DIAMOND, slots=given)
    assert placed.slots.equal(given)
    assert placed.reversed.slots.equal(given.flip(0))
    both = DAG.join([DAG(DIAMOND), placed])
    assert both.slots.equal(torch.cat([DAG(DIAMOND).slots, given], 1))
    assert DAG(torch.empty(2, 0, dtype=torch.int64), 2).slots.shape == (2, 0)
    with pytest.raises(ShapeError, match=r"5 edges needs slots \[2, 5\], leaving over entering"):
        DAG(DIAMOND, slots=given[:, :3])


def test_undirected_edges_lead_to_the_larger_index():
    dag = DAG.from_undirected(torch.tensor([[2, 0, 2], [1, 1, 0]]))
    assert dag.edges.tolist() == [[1, 0, 0], [2, 1, 2]]


@pytest.mark.parametrize("seed", range(3))
def test_edges_of_the_line_graph_are_pairs_of_edges_that_meet(seed):
    dag = random_dag(8, 16, seed)
    line = dag.line_graph
    pairs = {
        (a, b)
        for a, (_, end) in enumerate(dag.edges.T.tolist())
        for b, (begin, _) in enumerate(dag.edges.T.tolist())
        if end == begin
    }
    assert line.nodes == dag.edges.shape[1]
    assert sorted(map(tuple, line.edges.T.tolist())) == sorted(pairs)


def test_a_cycle_is_named():
    edges = torch.tensor([[0, 4, 2, 3, 1], [1, 0, 3, 1, 2]])
    with pytest.raises(ArgumentError, match="1 → 2 → 3 → 1"):
        _ = DAG(edges).level
    with pytest.raises(ArgumentError, match="0 → 0"):
        _ = DAG(torch.zeros(2, 1, dtype=torch.int64)).schedule


def test_what_is_no_list_of_edges_is_refused():
    with pytest.raises(ShapeError, match=r"edges \(2, E\).*\[3, 2\]"):
        DAG(torch.zeros(3, 2, dtype=torch.int64))
    with pytest.raises(ShapeError, match="float32"):
        DAG(torch.zeros(2, 2))
    with pytest.raises(ShapeError, match="0 to 2"):
        DAG(DIAMOND, 3)
    with pytest.raises(ArgumentError, match="at least one"):
        DAG.join([])


def test_what_is_known_of_graphs_side_by_side_is_known_of_their_join():
    given = torch.tensor([[1, 0], [0, 1]])
    none = DAG(torch.zeros(2, 0, dtype=torch.int64), 2, torch.tensor([0, 1]))
    graphs = [random_dag(6, 12), none, random_dag(4, 6, seed=3), DAG(DIAMOND[:, :2], slots=given)]
    joined = DAG.join(graphs)
    alone = DAG(joined.edges, joined.nodes, joined.graph, joined.slots)
    for one, other in ((joined, alone), (joined.reversed, alone.reversed)):
        assert torch.equal(one.level, other.level)
        assert torch.equal(one.slots, other.slots)
        for name in ("edges", "graph", "level", "nodes"):
            found, expected = (getattr(each.line_graph, name) for each in (one, other))
            assert torch.equal(torch.as_tensor(found), torch.as_tensor(expected))
        (tree, kept), (expected_tree, expected) = (e.line_graph.multitree for e in (one, other))
        assert torch.equal(kept, expected)
        assert torch.equal(tree.edges, expected_tree.edges)
        assert torch.equal(tree.level, expected_tree.level)


def test_edges_are_found_by_their_ends():
    dag = random_dag(6, 12)
    for (first, numbers, others), end in ((dag.leaving, 0), (dag.arriving, 1)):
        for node in range(dag.nodes):
            here = numbers[first[node] : first[node + 1]]
            assert torch.equal(here, (dag.edges[end] == node).nonzero().flatten())
            assert torch.equal(dag.edges[1 - end][here], others[first[node] : first[node + 1]])
    assert (dag.level[dag.order].diff() >= 0).all()
