"""Batches of graphs with labels."""

from __future__ import annotations

import pytest
import torch

from ostinato.core.errors import ArgumentError
from ostinato.over.dag import DAG
from ostinato.tasks.labelled_graphs import LabelledGraph, LabelledGraphsTask


def path(nodes, target, edge_labels=True):
    """A path of nodes with equal labels."""
    dag = DAG(torch.stack([torch.arange(nodes - 1), torch.arange(1, nodes)]), nodes)
    bonds = torch.full((nodes - 1,), nodes) if edge_labels else None
    return LabelledGraph(torch.full((nodes,), nodes), dag, torch.tensor([target]), bonds)


def test_graphs_side_by_side_keep_their_labels():
    both = LabelledGraph.join([path(2, 1), path(3, 0)])
    assert both.labels.tolist() == [2, 2, 3, 3, 3]
    assert both.edge_labels.tolist() == [2, 3, 3]
    assert both.targets.tolist() == [1, 0]
    assert both.dag.graphs == 2
    assert LabelledGraph.join([path(2, 1, False)] * 2).edge_labels is None


def test_every_graph_comes_once_in_an_epoch():
    graphs = {"train": [path(n, 0) for n in range(1, 7)], "valid": [path(9, 1)] * 3}
    task = LabelledGraphsTask(graphs, seed=2)
    read = [task.batch(step, 2) for step in range(3)]
    assert sorted(torch.cat([each.labels for each in read]).tolist()) == sorted(
        n for n in range(1, 7) for _ in range(n)
    )
    assert task.batch(1, 2).labels.equal(read[1].labels)
    assert [len(each.targets) for each in task.held_out(batch_size=2)] == [2, 1]
    assert task.describe() == {"graphs": {"train": 6, "valid": 3}, "seed": 2}
    with pytest.raises(ArgumentError, match="no split 'test'"):
        next(task.held_out("test"))
