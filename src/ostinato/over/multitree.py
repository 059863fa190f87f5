"""A graph thinned out until no two nodes are joined by more than one path.

Where every transition has a magnitude of at most 1, sums over paths then stay bounded too,
however many nodes there are.

Source: Pöppel, Freinschlag, Schmied, Lin & Hochreiter 2025, "pLSTM: parallelizable Linear Source
Transition Mark networks", NeurIPS, arXiv 2506.11997: the D-mode on general graphs.
"""

from __future__ import annotations

import torch
from torch import Tensor

__papers__ = ("plstm",)


def single_paths(edges: Tensor, level: Tensor) -> Tensor:
    """Which edges to keep, (E,) bool, so that at most one path leads from a node to another.

    Nodes are visited in topological order. An edge is kept unless its source, or an ancestor of
    its source, reaches the node already, so the first edge into every node is kept.

    Args:
        edges: (2, E) of a graph without cycles.
        level: (N,) the level of every node.
    """
    sources, targets = edges.cpu()
    kept = torch.zeros(len(sources), dtype=torch.bool)
    # A set of nodes is the bits of an integer; a node is among its own ancestors.
    above = [1 << node for node in range(len(level))]
    order = (level.cpu()[targets] * len(level) + targets).argsort(stable=True)
    for edge, source, target in zip(
        order.tolist(), sources[order].tolist(), targets[order].tolist(), strict=True
    ):
        if not above[source] & above[target]:
            above[target] |= above[source]
            kept[edge] = True
    return kept.to(edges.device)
