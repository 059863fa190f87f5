"""Recurrence over the nodes of a directed acyclic graph: a node waits for all its predecessors.

    a_n = reduce over edges e = (m → n) of message(h_m, x_n, z_e)
    y_n, h_n = step(x_n, a_n)

A path graph is a sequence, so any cell that runs over time runs over a graph as well. Nodes of
one level are one batch of the step; see `DAG`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ostinato.core.cell import Cell
from ostinato.core.errors import ArgumentError, ShapeError, nearest
from ostinato.core.state import State, leaves, map_state, rows_like
from ostinato.over.compiled_graph import Step, check_engine, compiled, runs_compiled
from ostinato.over.dag import DAG, Level

__papers__ = ("plstm",)

Message = Callable[[State, Any, Any], State]
Reduce = Callable[[State, Tensor, int], State]


def graph_scan(
    step: Step,
    dag: DAG,
    x: Any,
    *,
    init: State,
    edge_x: Any = None,
    message: Message | None = None,
    reduce: str | Reduce = "sum",
    engine: str = "auto",
) -> tuple[Any, State]:
    """Run a step over every node of a DAG, after all nodes that it depends on.

        cell = GRUCell(3, 4)
        init = cell.initial_state(dag.nodes)
        y, h = graph_scan(cell, dag, torch.randn(dag.nodes, 3), init=init, reduce="mean")

    Args:
        step: (x_n, a_n) to (y_n, h_n) for a batch of nodes, as a cell; leaves (n, ...).
        dag: the graph, or several joined by `DAG.join`.
        x: inputs of the nodes, a tree with leaves (N, ...).
        init: what nodes without predecessors begin from, leaves (N, ...); other rows are not
            read.
        edge_x: inputs z of the edges, a tree with leaves (E, ...), or None.
        message: (h, x, z) to what goes along the edges: states of their sources, inputs of their
            targets, inputs of the edges, each with one row for every edge; None: h itself.
        reduce: "sum", "mean", "max" or "min" over the messages that reach a node, or a function
            of messages (e, ...), targets (e,) and the number of nodes n to leaves (n, ...).
        engine: "reference" calls the step for every level; "fused" runs what needs no state for
            all nodes at once, and the rest as generated code, level by level, where messages are
            states themselves and sums or means are taken; "auto" chooses.

    Returns:
        Outputs and states of all nodes, leaves (N, ...).

    Raises:
        ArgumentError: if there is a cycle, or no such reduction.
        EngineError: if there is no such engine, or it cannot honour the request.
        ShapeError: if inputs do not have a row for every node and every edge.
    """
    _check(x, init, dag.nodes, "node")
    _check(edge_x, None, dag.edges.shape[1], "edge")
    join, schedule = _reduction(reduce), dag.schedule
    if not schedule.levels:
        return step(x, init)
    whole = message is None and reduce in ("sum", "mean")
    if runs_compiled(step, x, init, engine, whole):
        return compiled(step, dag, x, init, mean=reduce == "mean")
    sizes = [level.nodes for level in schedule.levels]
    counts = [level.edges for level in schedule.levels]
    inputs = _parts(x, schedule.nodes, sizes)
    along = _parts(edge_x, schedule.edges, counts)
    first = schedule.nodes[: sizes[0]]
    ys, states = list[Any](), list[State]()
    for level, here, edges in zip(schedule.levels, inputs, along, strict=True):
        if states:
            sent = _gather(states, level)
            if message is not None:
                targets = map_state(lambda leaf, at=level.target: leaf[at], here)
                sent = message(sent, targets, edges)
            before = join(sent, level.target, level.nodes)
        else:
            before = map_state(lambda leaf: leaf[first], init)
        y, state = step(here, before)
        ys.append(y)
        states.append(state)
    back = schedule.nodes.argsort()
    return _restored(ys, back), _restored(states, back)


class GraphRNN(nn.Module):
    """A cell over the nodes of a DAG.

        layer = GraphRNN(GRUCell(16, 32), reduce="mean")
        y, h = layer(x, dag)                       # x (N, 16), y (N, 32)

    Args:
        cell: runs on the nodes.
        message: as in `graph_scan`; a module has parameters of its own.
        reduce: as in `graph_scan`.
        engine: as in `graph_scan`.
        reverse: turn every edge round first.
    """

    def __init__(
        self,
        cell: Cell,
        message: Message | None = None,
        reduce: str | Reduce = "sum",
        engine: str = "auto",
        *,
        reverse: bool = False,
    ):
        super().__init__()
        _reduction(reduce)
        check_engine(engine)
        self.cell, self.message, self.reduce = cell, message, reduce
        self.engine, self.reverse = engine, reverse

    def forward(
        self, x: Any, dag: DAG, edge_x: Any = None, init: State | None = None
    ) -> tuple[Any, State]:
        """Outputs and states of all nodes, leaves (N, ...).

        Args:
            x: inputs of the nodes, leaves (N, ...).
            dag: the graph.
            edge_x: inputs of the edges, leaves (E, ...).
            init: what nodes without predecessors begin from; None: the cell's initial state.
        """
        graph = dag.reversed if self.reverse else dag
        start = self.cell.initial_state(dag.nodes) if init is None else init
        return graph_scan(
            self.cell,
            graph,
            x,
            init=start,
            edge_x=edge_x,
            message=self.message,
            reduce=self.reduce,
            engine=self.engine,
        )

    def extra_repr(self) -> str:
        """The options, for `print`."""
        return f"reduce={self.reduce!r}, engine={self.engine!r}, reverse={self.reverse}"


def _parts(tree: Any, order: Tensor, sizes: list[int]) -> list[Any]:
    """A tree with leaves (N, ...) in another order, cut into levels."""
    if tree is None:
        return [None] * len(sizes)
    ordered = map_state(lambda leaf: leaf[order], tree)
    cut = [torch.split(leaf, sizes) for leaf in leaves(ordered)]
    return [_like(ordered, [parts[k] for parts in cut]) for k in range(len(sizes))]


def _like(tree: Any, new: Sequence[Tensor]) -> Any:
    rest = iter(new)
    return map_state(lambda leaf: next(rest), tree)


def _gather(states: Sequence[State], level: Level) -> State:
    """The states of the sources of a level's edges, leaves (e, ...).

    Each earlier level is read by itself: a read from one tensor of all states would cost the whole
    tensor at every level, in the backward pass too.
    """
    parts = [map_state(lambda leaf, at=at: leaf[at], states[k]) for k, at in level.sources]
    return map_state(lambda *each: torch.cat(each), *parts)


def _restored(levels: Sequence[Any], back: Tensor) -> Any:
    return map_state(lambda *each: torch.cat(each)[back], *levels)


def _reduction(reduce: str | Reduce) -> Reduce:
    if callable(reduce):
        return reduce
    if reduce not in _REDUCTIONS:
        raise ArgumentError(f"No reduction is called {reduce!r}. {nearest(reduce, _REDUCTIONS)}")
    return _REDUCTIONS[reduce]


def _sum(messages: State, target: Tensor, nodes: int) -> State:
    return map_state(
        lambda leaf: leaf.new_zeros(nodes, *leaf.shape[1:]).index_add(0, target, leaf), messages
    )


def _mean(messages: State, target: Tensor, nodes: int) -> State:
    count = target.bincount(minlength=nodes)
    # Divided in the precision of the states: the inverse of an integer would be of 32 bits.
    return map_state(
        lambda leaf: leaf / rows_like(count.to(leaf.dtype), leaf), _sum(messages, target, nodes)
    )


def _extreme(kind: str) -> Reduce:
    def reduction(messages: State, target: Tensor, nodes: int) -> State:
        def one(leaf: Tensor) -> Tensor:
            empty = leaf.new_zeros(nodes, *leaf.shape[1:])
            index = rows_like(target, leaf).expand_as(leaf)
            return empty.scatter_reduce(0, index, leaf, kind, include_self=False)

        return map_state(one, messages)

    return reduction


_REDUCTIONS: dict[str, Reduce] = {
    "sum": _sum,
    "mean": _mean,
    "max": _extreme("amax"),
    "min": _extreme("amin"),
}


def _check(x: Any, init: Any, rows: int, what: str) -> None:
    for leaf in (*leaves(x), *leaves(init)):
        if leaf.dim() < 1 or leaf.shape[0] != rows:
            raise ShapeError(
                f"graph_scan needs one row for each of the {rows} {what}s of the graph; got a "
                f"tensor {list(leaf.shape)}."
            )
