"""Directed acyclic graphs as lists of edges, and their levels of nodes that are independent.

The level of a node is the length of the longest path that ends there, so all predecessors of a
node lie in levels before its own, and a recurrence takes as many steps as there are levels.
Several graphs are one graph with no edge between them, so they share these steps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from ostinato.core.errors import ArgumentError, ShapeError
from ostinato.over.multitree import single_paths

__papers__ = ("plstm",)


@dataclass(frozen=True)
class Level:
    """What the nodes of one level read.

    Attributes:
        nodes: how many there are.
        edges: how many edges end there.
        target: (edges,) the place of each edge's target within the level.
        sources: earlier levels and the places (n,) within them of the sources of the next n edges.
    """

    nodes: int
    edges: int
    target: Tensor
    sources: tuple[tuple[int, Tensor], ...]


@dataclass(frozen=True)
class Schedule:
    """The order in which a graph is computed.

    Attributes:
        nodes: (N,) the nodes, level by level.
        edges: (E,) the edges in the order in which the levels read them.
        levels: the levels, sources of the graph first.
    """

    nodes: Tensor
    edges: Tensor
    levels: tuple[Level, ...]


class DAG:
    """A directed acyclic graph, or several side by side.

        dag = DAG(torch.tensor([[0, 0, 1, 2], [1, 2, 3, 3]]))      # a diamond
        both = DAG.join([dag, dag.reversed])                     # 8 nodes, still 3 levels

    Parallel edges are allowed and count as many times as they are listed.

    Args:
        edges: (2, E) int64, sources over targets.
        nodes: N; None: one more than the largest index.
        graph: (N,) to which graph each node belongs; None: all to the first.
        slots: (2, E) the slots by which each edge leaves its source and enters its target, from
            0; None: its places among the edges there, in the order of the list.

    Attributes:
        edges: (2, E).
        nodes: N.
        graph: (N,) int64, from 0.

    Raises:
        ShapeError: if the edges are not a list of pairs of nodes.
        ArgumentError: if they form a cycle, when the levels are first asked for.
    """

    def __init__(
        self,
        edges: Tensor,
        nodes: int | None = None,
        graph: Tensor | None = None,
        slots: Tensor | None = None,
    ):
        if edges.dim() != 2 or edges.shape[0] != 2 or edges.dtype != torch.int64:
            raise ShapeError(
                "A DAG needs edges (2, E) of dtype int64, sources over targets; got "
                f"{list(edges.shape)} of {edges.dtype}."
            )
        found = int(edges.max()) + 1 if edges.numel() else 0
        self.edges, self.nodes = edges, found if nodes is None else nodes
        if found > self.nodes or (edges.numel() and int(edges.min()) < 0):
            raise ShapeError(
                f"Nodes are numbered from 0 to {self.nodes - 1} in a DAG of {self.nodes} nodes; "
                f"the edges name {int(edges.min())} to {found - 1}."
            )
        self.graph = edges.new_zeros(self.nodes) if graph is None else graph
        if slots is not None and slots.shape != edges.shape:
            raise ShapeError(
                f"A DAG of {edges.shape[1]} edges needs slots {list(edges.shape)}, leaving over "
                f"entering; got {list(slots.shape)}."
            )
        self._slots = slots
        self._parts: Sequence[DAG] = ()

    @classmethod
    def join(cls, graphs: Sequence[DAG]) -> DAG:
        """Several graphs as one; node and edge lists stand end to end.

        What was found of the parts, their levels and line graphs say, is not looked for again.
        """
        edges, labels, nodes, count = [], [], 0, 0
        given = any(each._slots is not None for each in graphs)
        for each in graphs:
            edges.append(each.edges + nodes)
            labels.append(each.graph + count)
            nodes, count = nodes + each.nodes, count + max(each.graphs, 1)
        if not edges:
            raise ArgumentError("DAG.join needs at least one graph; got none.")
        slots = torch.cat([each.slots for each in graphs], 1) if given else None
        return cls(torch.cat(edges, 1), nodes, torch.cat(labels), slots)._of(graphs)

    @classmethod
    def from_undirected(cls, edges: Tensor, nodes: int | None = None) -> DAG:
        """Direct every edge from the smaller index to the larger one.

        Args:
            edges: (2, E), each undirected edge once.
            nodes: as for `DAG`.
        """
        return cls(edges.sort(0).values, nodes)

    @property
    def graphs(self) -> int:
        """How many graphs stand side by side."""
        return int(self.graph.max()) + 1 if self.nodes else 0

    @cached_property
    def reversed(self) -> DAG:
        """The same graph with every edge turned round; edges keep their order."""
        slots = None if self._slots is None else self._slots.flip(0)
        turned = DAG(self.edges.flip(0), self.nodes, self.graph, slots)
        return turned._of([part.reversed for part in self._parts])

    @cached_property
    def slots(self) -> Tensor:
        """(2, E) by which slot each edge leaves its source, and by which it enters its target."""
        if self._slots is not None:
            return self._slots
        if self._parts:
            return torch.cat([part.slots for part in self._parts], 1)
        return torch.stack([_places(ends, self.nodes) for ends in self.edges])

    @cached_property
    def line_graph(self) -> DAG:
        """The graph whose nodes are the edges of this one.

        There is an edge from e' to e wherever e begins where e' ends.
        """
        if self._parts:
            lines = [part.line_graph for part in self._parts]
            edges = _end_to_end([line.edges for line in lines], [line.nodes for line in lines])
            return DAG(edges, self.edges.shape[1], self.graph[self.edges[0]])._of(lines)
        before, after = self.edges
        leaving = after.new_zeros(self.nodes).index_add_(0, before, torch.ones_like(before))
        order = before.argsort(stable=True)
        begin = _starts(leaving)
        count = leaving[after]
        arriving = torch.arange(len(after), device=after.device).repeat_interleave(count)
        follows = order[_ranges(begin[after], count)]
        return DAG(torch.stack([arriving, follows]), len(before), self.graph[before])

    @cached_property
    def multitree(self) -> tuple[DAG, Tensor]:
        """This graph with at most one path between two nodes, and which edges that keeps, (E,)."""
        trees = [part.multitree for part in self._parts]
        if trees:
            kept = torch.cat([kept for _, kept in trees])
        else:
            kept = single_paths(self.edges, self.level)
        thinned = DAG(self.edges[:, kept], self.nodes, self.graph)
        return thinned._of([tree for tree, _ in trees]), kept

    @cached_property
    def level(self) -> Tensor:
        """(N,) the level of every node.

        Raises:
            ArgumentError: if there is a cycle; it is named.
        """
        if self._parts:
            return torch.cat([part.level for part in self._parts])
        level = _levels(self.edges.cpu(), self.nodes)
        if (level < 0).any():
            cycle = " → ".join(map(str, _cycle(self.edges.cpu(), level)))
            raise ArgumentError(
                f"A DAG has no cycle, and these edges form one: {cycle}. Drop an edge of it, or "
                "direct undirected edges by DAG.from_undirected."
            )
        return level.to(self.edges.device)

    @cached_property
    def order(self) -> Tensor:
        """(N,) the nodes, level by level."""
        return self.level.argsort(stable=True)

    @cached_property
    def arriving(self) -> tuple[Tensor, Tensor, Tensor]:
        """By node, the edges that end there.

        Where those of each node begin (N + 1,), and their numbers and sources, (E,) each.
        """
        return self._incident(1)

    @cached_property
    def leaving(self) -> tuple[Tensor, Tensor, Tensor]:
        """By node, the edges that begin there, as `arriving` with targets for sources."""
        return self._incident(0)

    @cached_property
    def schedule(self) -> Schedule:
        """Which nodes are computed together, and which edges they read; found once."""
        level = self.level.cpu()
        sources, targets = self.edges.cpu()
        nodes = level.argsort(stable=True)
        sizes = level.bincount().tolist()
        begin = _starts(torch.tensor(sizes, dtype=torch.int64))
        place = torch.empty_like(nodes)
        place[nodes] = torch.arange(self.nodes)
        place -= begin[level]  # within the level
        key = level[targets] * len(sizes) + level[sources]
        edges = key.argsort(stable=True)
        runs, counts = torch.unique_consecutive(key[edges], return_counts=True)
        parts: list[list[tuple[int, Tensor]]] = [[] for _ in sizes]
        rows = place[sources[edges]].to(self.edges.device)
        for run, part in zip(runs.tolist(), torch.split(rows, counts.tolist()), strict=True):
            parts[run // len(sizes)].append((run % len(sizes), part))
        ends = [sum(len(part) for _, part in level_parts) for level_parts in parts]
        arriving = place[targets[edges]].to(self.edges.device)
        levels = tuple(
            Level(size, end, target, tuple(part))
            for size, end, target, part in zip(
                sizes, ends, torch.split(arriving, ends), parts, strict=True
            )
        )
        device = self.edges.device
        return Schedule(nodes.to(device), edges.to(device), levels)

    def _of(self, parts: Sequence[DAG]) -> DAG:
        """This graph, with the graphs that stand end to end in it."""
        self._parts = tuple(parts)
        return self

    def _incident(self, end: int) -> tuple[Tensor, Tensor, Tensor]:
        numbers = self.edges[end].argsort(stable=True)
        counts = self.edges[end].bincount(minlength=self.nodes)
        first = torch.cat([counts.new_zeros(1), counts.cumsum(0)])
        return first, numbers, self.edges[1 - end][numbers].contiguous()


def _levels(edges: Tensor, nodes: int) -> Tensor:
    """(N,) levels; −1 on a cycle and behind one."""
    sources, targets = edges
    order = sources.argsort(stable=True)
    leaving = sources.bincount(minlength=nodes)
    begin, waiting = _starts(leaving), targets.bincount(minlength=nodes)
    level: Tensor = sources.new_full((nodes,), -1)
    depth = 0
    ready = (waiting == 0).nonzero().flatten()
    while len(ready):
        level[ready] = depth
        reached = targets[order[_ranges(begin[ready], leaving[ready])]]
        waiting.index_add_(0, reached, -torch.ones_like(reached))
        ready = torch.unique(reached[waiting[reached] == 0])
        depth += 1
    return level


def _end_to_end(edges: Sequence[Tensor], nodes: Sequence[int]) -> Tensor:
    """Lists of edges (2, ·) as one, of graphs that have so many nodes."""
    counts = torch.tensor([each.shape[1] for each in edges])
    shift = _starts(torch.tensor(nodes)).repeat_interleave(counts)
    return torch.cat(list(edges), 1) + shift.to(edges[0].device)


def _starts(sizes: Tensor) -> Tensor:
    """Where parts of these sizes begin, end to end."""
    return sizes.cumsum(0) - sizes


def _places(ends: Tensor, nodes: int) -> Tensor:
    """How many edges before each edge of the list have the same end, (E,)."""
    order = ends.argsort(stable=True)
    begin = _starts(ends.bincount(minlength=nodes))
    places = torch.empty_like(order)
    places[order] = torch.arange(len(ends), device=ends.device) - begin[ends[order]]
    return places


def _ranges(begin: Tensor, count: Tensor) -> Tensor:
    """begin_0 … begin_0 + count_0 − 1, begin_1 …, end to end."""
    ends = count.cumsum(0)
    total = int(ends[-1]) if len(ends) else 0
    shift = (begin - ends + count).repeat_interleave(count)
    return torch.arange(total, device=begin.device) + shift


def _cycle(edges: Tensor, level: Tensor) -> list[int]:
    """The nodes of a cycle, the first once more at the end."""
    sources, targets = edges
    stuck = (level[sources] < 0) & (level[targets] < 0)
    before = dict(zip(targets[stuck].tolist(), sources[stuck].tolist(), strict=True))
    # every node without a level waits for one without a level, so going back never ends
    node, path = next(iter(before)), list[int]()
    while node not in path:
        path.append(node)
        node = before[node]
    cycle = path[path.index(node) :][::-1]
    smallest = cycle.index(min(cycle))
    return [*cycle[smallest:], *cycle[:smallest], min(cycle)]
