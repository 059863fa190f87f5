"""Properties of a graph, as candidates for what its shape does to a network.

Distances and centralities are those of the undirected graph; where it is not connected, those of
its largest component. Sources and sinks are nodes of the first and of the last level.

Source of the selection: Darji 2024, arXiv 2407.20601.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ostinato.analysis.finding import Finding, Table
from ostinato.core.extras import extra
from ostinato.over.dag import DAG

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__papers__ = ("sparsity",)


@dataclass(frozen=True)
class GraphMetrics(Finding):
    """Properties by name.

    Attributes:
        values: e.g. "layers", "density", "closeness variance".
        dag: the graph.
    """

    values: Mapping[str, float]
    dag: DAG

    def table(self) -> Table:
        """One row for each property."""
        return Table(["property", "value"], [[name, v] for name, v in self.values.items()])

    def draw(self, axes: Axes) -> None:
        """The graph, a column for each level."""
        places = dict[int, tuple[float, float]]()
        for level in range(int(self.dag.level.max()) + 1):
            nodes = (self.dag.level == level).nonzero().flatten().tolist()
            places |= {node: (level, (k + 0.5) / len(nodes)) for k, node in enumerate(nodes)}
        for source, target in self.dag.edges.T.tolist():
            ends = zip(places[source], places[target], strict=True)
            axes.plot(*ends, color="C0", linewidth=0.5, alpha=0.6)
        x, y = zip(*places.values(), strict=True)
        axes.scatter(x, y, s=12, color="black", zorder=3)
        axes.set_xlabel("level")
        axes.set_yticks([])


def graph_metrics(dag: DAG) -> GraphMetrics:
    """The properties of a graph with at least one edge.

    Args:
        dag: each pair of nodes at most once.

    Raises:
        MissingExtraError: without networkx.
    """
    networkx = extra("networkx", "analysis", "Properties of graphs")
    graph = networkx.Graph()
    graph.add_nodes_from(range(dag.nodes))
    graph.add_edges_from(dag.edges.T.tolist())
    whole = graph.subgraph(max(networkx.connected_components(graph), key=len))
    levels = dag.level.bincount().tolist()
    edges = graph.number_of_edges()
    values: dict[str, float] = {
        "layers": len(levels),
        "nodes": dag.nodes,
        "edges": edges,
        "sources": levels[0],
        "sinks": levels[-1],
        "diameter": networkx.diameter(whole),
        "density": edges / (dag.nodes * (dag.nodes - 1)),
        "average path": networkx.average_shortest_path_length(whole),
    }
    measured: dict[str, Any] = {
        "eccentricity": networkx.eccentricity(whole),
        "degree": networkx.degree_centrality(graph),
        "closeness": networkx.closeness_centrality(graph),
        "node betweenness": networkx.betweenness_centrality(graph),
        "edge betweenness": networkx.edge_betweenness_centrality(graph),
    }
    for name, found in measured.items():
        values |= _spread(name, found.values())
    return GraphMetrics(values, dag)


def _spread(name: str, values: Iterable[float]) -> dict[str, float]:
    numbers = [float(value) for value in values]
    variance = statistics.variance(numbers) if len(numbers) > 1 else 0.0
    return {
        f"{name} mean": statistics.fmean(numbers),
        f"{name} variance": variance,
        f"{name} deviation": variance**0.5,
    }
