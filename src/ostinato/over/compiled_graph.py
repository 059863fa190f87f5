"""Recurrence over a graph in generated code, where sums or means of states go along its edges."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from ostinato.core.errors import EngineError, nearest
from ostinato.core.recurrence import Recurrence
from ostinato.core.registry import decide, engines
from ostinato.core.state import State, index, leaves, map_state
from ostinato.engines.fused.engine import FusedLoop
from ostinato.engines.fused.levels import Levels
from ostinato.over.dag import DAG

Step = Callable[[Any, State], tuple[Any, State]]

ENGINES = ("auto", "fused", "reference")
"""What can run graphs."""


def check_engine(name: str) -> None:
    """Raise unless an engine of this name runs graphs.

    Raises:
        EngineError: with the nearest name.
    """
    if name not in ENGINES:
        raise EngineError(f"No engine for graphs is called {name!r}. {nearest(name, ENGINES)}")


def runs_compiled(step: Step, x: Any, init: State, engine: str, summed: bool) -> bool:
    """Whether a graph is run in generated code.

    Args:
        step: (x, carry) to (y, carry).
        x: inputs of all nodes, leaves (N, ...).
        init: what nodes begin from, leaves (N, ...).
        engine: one of `ENGINES`.
        summed: whether sums or means of the states themselves go along the edges.

    Raises:
        EngineError: if there is no such engine, or it cannot honour the request.
    """
    check_engine(engine)
    recurrence, fused = _recurrence(step, x, init), _fused()
    obstacle = None
    if not summed:
        obstacle = "messages and other reductions than sums and means are functions of torch"
    elif leaves(init)[0].device.type != "cpu":
        obstacle = "the loop over levels is compiled for the CPU"
    if engine == "auto":
        able = not obstacle and not fused.hesitate(recurrence) and not fused.decline(recurrence)
        engine = "fused" if able else "reference"
    elif engine == "fused" and obstacle:
        raise EngineError(f"The engine 'fused' cannot run this graph: {obstacle}. Use 'auto'.")
    return decide(recurrence, engine).chosen == "fused"


def compiled(step: Step, dag: DAG, x: Any, init: State, mean: bool) -> tuple[Any, State]:
    """Outputs and states of all nodes, leaves (N, ...).

    Args:
        step: as in `runs_compiled`, which says that this can be had.
        dag: the graph.
        x: inputs of the nodes.
        init: what nodes without predecessors begin from.
        mean: whether states are averaged; else they are summed.
    """
    order, first = dag.schedule.nodes, dag.schedule.levels[0].nodes
    back = order.argsort()

    def begun(leaf: Tensor) -> Tensor:
        """Rows of other levels are not read, and get no gradient."""
        return torch.cat([leaf[order[:first]], leaf.new_zeros(len(order) - first, *leaf.shape[1:])])

    recurrence = _recurrence(step, index(x, order), map_state(begun, init))
    states, ys = _fused().over(recurrence, _levels(dag, back, mean))
    return map_state(lambda leaf: leaf[0, back], ys), index(states, back)


def _levels(dag: DAG, back: Tensor, mean: bool) -> Levels:
    sizes = torch.tensor([0, *(level.nodes for level in dag.schedule.levels)])
    edges, weights = back[dag.edges], torch.ones(dag.edges.shape[1], dtype=torch.float64)
    if mean:
        weights = weights / edges[1].bincount(minlength=dag.nodes)[edges[1]]
    return Levels(sizes.cumsum(0), edges, weights)


def _fused() -> FusedLoop:
    fused = engines()["fused"]
    assert isinstance(fused, FusedLoop)
    return fused


def _recurrence(step: Step, x: Any, init: State) -> Recurrence:
    """The step once, on all nodes: what engines are asked about."""

    def turned(carry: State, row: Any) -> tuple[State, Any]:
        y, new = step(row, carry)
        return new, y

    turned.__name__ = getattr(step, "__name__", type(step).__name__)
    known = step if isinstance(step, nn.Module) else None
    xs = map_state(lambda leaf: leaf[None], x)
    identity = None if known is None else (known, "graph")
    return Recurrence(turned, init, xs, steps=1, cell=known, identity=identity)
