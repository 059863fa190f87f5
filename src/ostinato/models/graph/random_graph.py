"""Random graphs with a direction: every edge leads to the node with the larger number.

    Barabási–Albert: m edges for every new node, to nodes in proportion to their degree
    Watts–Strogatz: a ring of k neighbours, each edge rewired with probability p, connected
    Erdős–Rényi: each pair of nodes with probability p

Source of the sizes: Darji 2024, "Investigating sparsity in recurrent neural networks", arXiv
2407.20601, after Stier & Granitzer 2019, arXiv 1910.13801.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ostinato.core.errors import ArgumentError, nearest
from ostinato.core.extras import extra
from ostinato.over.dag import DAG

__papers__ = ("sparsity",)

FAMILIES = ("barabasi_albert", "watts_strogatz", "erdos_renyi")


def random_graph(family: str, nodes: int, seed: int) -> DAG:
    """Draw a graph: m = ⌊n/10⌋; k = ⌊n/5⌋ and p = 1; or p = 0.2.

    Args:
        family: one of `FAMILIES`.
        nodes: n, at least 10.
        seed: of the edges.

    Raises:
        ArgumentError: if there is no such family, or too few nodes.
        MissingExtraError: without networkx.
    """
    if family not in FAMILIES:
        raise ArgumentError(f"There is no family {family!r}. {nearest(family, FAMILIES)}")
    if nodes < 10:
        raise ArgumentError(f"A random graph needs 10 nodes or more; got {nodes}.")
    networkx = extra("networkx", "analysis", "A random graph")
    if family == "barabasi_albert":
        graph = networkx.barabasi_albert_graph(nodes, nodes // 10, seed=seed)
    elif family == "watts_strogatz":
        graph = networkx.connected_watts_strogatz_graph(nodes, nodes // 5, 1.0, 10, seed=seed)
    else:
        graph = networkx.gnp_random_graph(nodes, 0.2, seed=seed)
    return DAG.from_undirected(_edges(graph), nodes)


def _edges(graph: Any) -> Tensor:
    pairs = torch.tensor(list(graph.edges), dtype=torch.int64)
    return pairs.reshape(-1, 2).T.contiguous()
