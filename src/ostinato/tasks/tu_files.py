"""Sets of graphs in the text files of TUDataset.

A folder holds, for a set called DS, DS_A.txt with a pair of nodes in every line, from 1, each edge
in both directions; DS_graph_indicator.txt with the graph of every node; DS_graph_labels.txt; and
often DS_node_labels.txt and DS_edge_labels.txt, in the order of the nodes and of the pairs.

C. Morris, N. M. Kriege, F. Bause, K. Kersting, P. Mutzel, M. Neumann: TUDataset: A collection of
benchmark datasets for learning with graphs, 2020, arXiv 2007.08663.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ostinato.core.errors import DataError
from ostinato.over.dag import DAG
from ostinato.tasks.labelled_graphs import LabelledGraph

__papers__ = ("plstm",)


def read_tu(folder: Path) -> list[LabelledGraph]:
    """The graphs, their edges directed from the smaller to the larger number of a node.

    Labels are counted from 0 in the order of their values; nodes have label 0 where none are
    given.

    Raises:
        DataError: if a file is missing, cannot be read, or does not fit the others.
    """
    found = sorted(folder.glob("*_A.txt"))
    if len(found) != 1:
        raise DataError(
            f"Expected a folder with one file NAME_A.txt of a TUDataset; {str(folder)!r} has "
            f"{len(found)} of them."
        )
    stem = str(found[0])[: -len("A.txt")]
    pairs = _numbers(f"{stem}A.txt").reshape(-1, 2).T - 1
    graph = _from_zero(_numbers(f"{stem}graph_indicator.txt"))
    targets = _from_zero(_numbers(f"{stem}graph_labels.txt"))
    labels = _given(f"{stem}node_labels.txt")
    edge_labels = _given(f"{stem}edge_labels.txt")
    _check(folder, pairs, graph, targets, labels, edge_labels)
    labels = torch.zeros_like(graph) if labels is None else labels
    kept = pairs[0] < pairs[1]
    pairs, edge_labels = pairs[:, kept], None if edge_labels is None else edge_labels[kept]
    count = len(targets)
    return [_one(number, pairs, graph, targets, labels, edge_labels) for number in range(count)]


def _one(
    number: int,
    pairs: Tensor,
    graph: Tensor,
    targets: Tensor,
    labels: Tensor,
    edge_labels: Tensor | None,
) -> LabelledGraph:
    nodes, edges = (graph == number).nonzero().flatten(), graph[pairs[0]] == number
    return LabelledGraph(
        labels[nodes],
        DAG(torch.searchsorted(nodes, pairs[:, edges]), len(nodes)),
        targets[number : number + 1],
        None if edge_labels is None else edge_labels[edges],
    )


def _check(
    folder: Path,
    pairs: Tensor,
    graph: Tensor,
    targets: Tensor,
    labels: Tensor | None,
    edge_labels: Tensor | None,
) -> None:
    lines = {
        "graph labels": (len(targets), int(graph.max()) + 1),
        "node labels": (len(graph) if labels is None else len(labels), len(graph)),
        "edge labels": (
            pairs.shape[1] if edge_labels is None else len(edge_labels),
            pairs.shape[1],
        ),
    }
    for what, (count, expected) in lines.items():
        if count != expected:
            raise DataError(f"{str(folder)!r} has {count} {what}; expected {expected}.")
    if int(pairs.min()) < 0 or int(pairs.max()) >= len(graph):
        raise DataError(
            f"{str(folder)!r} has {len(graph)} nodes; its edges name {int(pairs.min()) + 1} to "
            f"{int(pairs.max()) + 1}."
        )
    if not graph[pairs[0]].equal(graph[pairs[1]]):
        raise DataError(f"{str(folder)!r} has an edge from one graph to another.")


def _given(path: str) -> Tensor | None:
    return _from_zero(_numbers(path)) if Path(path).exists() else None


def _numbers(path: str) -> Tensor:
    try:
        return torch.from_numpy(np.loadtxt(path, dtype=np.int64, delimiter=",", ndmin=1))
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read: {error}.") from error


def _from_zero(values: Tensor) -> Tensor:
    """The values by their rank among all that occur."""
    return torch.searchsorted(values.unique(), values)  # type: ignore[no-untyped-call]
