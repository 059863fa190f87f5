from __future__ import annotations

import pytest
import torch

from ostinato.core.errors import ArgumentError
from ostinato.models.graph.random_graph import FAMILIES, random_graph


@pytest.mark.parametrize("family", FAMILIES)
def test_edges_lead_to_larger_numbers_and_seeds_count(family):
    dag = random_graph(family, 20, seed=1)
    assert (dag.edges[0] < dag.edges[1]).all()
    assert dag.nodes == len(dag.level) == 20
    assert (dag.level[dag.edges[0]] < dag.level[dag.edges[1]]).all()
    assert torch.equal(dag.edges, random_graph(family, 20, seed=1).edges)
    assert dag.edges.tolist() != random_graph(family, 20, seed=2).edges.tolist()


def test_how_many_edges():
    assert random_graph("barabasi_albert", 30, 0).edges.shape[1] == 3 * 27
    assert random_graph("watts_strogatz", 30, 0).edges.shape[1] == 30 * 6 // 2


def test_what_cannot_be():
    with pytest.raises(ArgumentError, match="Did you mean 'watts_strogatz'"):
        random_graph("watts_strogats", 20, 0)
    with pytest.raises(ArgumentError, match="10 nodes or more; got 9"):
        random_graph("erdos_renyi", 9, 0)
