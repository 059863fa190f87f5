"""pLSTM on directed acyclic graphs: cell states live on edges.

In every head::

    C_e = S_e k_n v_nᵀ + Σ_{e' into n} T_{e'→e} C_{e'}               e leaves node n
    h_n = s Σ_{e into n} M_e C_eᵀ q_n + s D_n (k_n·q_n) v_n
    y = W_out HeadRMSNorm(Σ over both directions of h)

    S, M and t of nodes, and of edges or their slots: `plstm_graph_gates`
    P:  T_{e'→e} = t_{e'→e} / (½ + Σ_{e out of n} |t_{e'→e}|)          what enters is shared out
    D:  T_{e'→e} = tanh(t_{e'→e}), on a line graph thinned out to single paths

The states are those of a recurrence over the line graph (`graph_scan`), so any number of graphs is
computed in as many steps as the longest path has edges.

Source: Pöppel, Freinschlag, Schmied, Lin & Hochreiter 2025, "pLSTM: parallelizable Linear Source
Transition Mark networks", NeurIPS, arXiv 2506.11997.
Deviation: D_n is a bias. Its code divides by ½ plus the largest magnitude over entering edges,
`norm="out"`; the form above is the paper's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ostinato.core.errors import ArgumentError, ShapeError, nearest
from ostinato.core.state import rows_like
from ostinato.models.graph.plstm_graph_gates import EdgeGates, SlotGates
from ostinato.models.graph.plstm_grid import small_normal
from ostinato.models.head_rms_norm import HeadRMSNorm
from ostinato.over.dag import DAG
from ostinato.over.graph import graph_scan

__papers__ = ("plstm",)


def edge_states(line: DAG, source: Tensor, transition: Tensor, kv: Tensor) -> Tensor:
    """The states C of all edges (E, heads, K, V).

    Args:
        line: the line graph, P pairs of edges that meet.
        source: S (E, heads).
        transition: T (P, heads).
        kv: k vᵀ at the source of every edge (E, heads, K, V).
    """
    written = rows_like(source, kv) * kv
    _, states = graph_scan(
        lambda x, before: (x.new_empty(len(x), 0), x + before),
        line,
        written,
        init=torch.zeros_like(written),
        edge_x=transition,
        message=lambda state, x, t: rows_like(t, state) * state,
    )
    found: Tensor = states
    return found


class GraphPLSTM(nn.Module):
    """Mix the nodes of graphs along their edges: (N, D) to (N, D).

        layer = GraphPLSTM(96, heads=4, mode="D")
        y = layer(torch.randn(dag.nodes, 96), dag)

    Args:
        size: D.
        heads: how many; a divisor of D.
        mode: "P" or "D".
        edge_size: F, features of an edge; 0: none.
        slots: how many edges can leave a node, and enter it, if gates are to have weights for
            each place (`DAG.slots`); None: one set of weights for all edges.
        directions: 1, along the edges, or 2, against them as well.
        norm: of P: "in", by what leaves for each incoming edge, or "out".
        scale: s.
        tied: let queries be the keys.
        weights: let gates depend on the input; False: biases only.
        device: of the parameters.
        dtype: of the parameters.

    Raises:
        ArgumentError: if the heads do not divide D, there is no such mode, norm or direction, or
            edges are to have both features and slots, or no slot.
    """

    def __init__(
        self,
        size: int,
        heads: int,
        mode: str = "P",
        *,
        edge_size: int = 0,
        slots: int | None = None,
        directions: int = 2,
        norm: str = "in",
        scale: float = 1.0,
        tied: bool = False,
        weights: bool = True,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        if heads < 1 or size % heads:
            raise ArgumentError(f"heads must divide the size {size}; got heads={heads}.")
        for name, value, known in (("mode", mode, ("P", "D")), ("norm", norm, ("in", "out"))):
            if value not in known:
                raise ArgumentError(f"There is no {name} {value!r}. {nearest(value, known)}")
        if directions not in (1, 2):
            raise ArgumentError(f"directions must be 1 or 2; got {directions!r}.")
        if slots is not None and edge_size:
            raise ArgumentError(
                "Gates read the features of edges or their slots; got "
                f"edge_size={edge_size} and slots={slots}. Leave one of them out."
            )
        on: dict[str, Any] = {"device": device, "dtype": dtype}
        self.size, self.heads, self.mode = size, heads, mode
        self.edge_size, self.by, self.scale = edge_size, norm, scale
        self.input = nn.Linear(size, (2 if tied else 3) * size, False, **on)
        self.direct = nn.Parameter(torch.full((heads, 1), -5.0, **on))
        self.directions = nn.ModuleList(
            EdgeGates(size, heads, edge_size, weights=weights, **on)
            if slots is None
            else SlotGates(size, heads, slots, weights=weights, **on)
            for _ in range(directions)
        )
        self.norm = HeadRMSNorm(heads, size // heads, **on)
        self.output = nn.Linear(size, size, False, **on)
        for linear in (self.input, self.output):
            small_normal(linear)

    def forward(self, x: Tensor, dag: DAG, edge_x: Tensor | None = None) -> Tensor:
        """Nodes (N, D) and, with edge features, edges (E, F) to (N, D)."""
        z = self._checked(x, dag, edge_x)
        width = self.size // self.heads
        *q, k, v = torch.unflatten(self.input(x), -1, (-1, self.heads, width)).unbind(1)
        query = q[0] if q else k
        h = self.direct.sigmoid() * (query * k).sum(-1, keepdim=True) * v
        kv = k.unsqueeze(-1) * v.unsqueeze(-2)
        # Against the edges only where that is asked for: turning them round takes time.
        graphs = (dag,) if len(self.directions) == 1 else (dag, dag.reversed)
        for direction, graph in zip(self.directions, graphs, strict=True):
            h = h + self._pass(direction, graph, x, z, query, kv)
        y: Tensor = self.output(self.norm(self.scale * h).flatten(1))
        return y

    def extra_repr(self) -> str:
        """The options, for `print`."""
        return f"heads={self.heads}, mode={self.mode!r}, norm={self.by!r}, scale={self.scale}"

    def _checked(self, x: Tensor, dag: DAG, edge_x: Tensor | None) -> Tensor:
        """The features of the edges (E, F), F = 0 without."""
        rows = dag.edges.shape[1]
        if x.shape != (dag.nodes, self.size):
            raise ShapeError(
                f"x must be ({dag.nodes}, {self.size}), one row for each node of the graph; got "
                f"{list(x.shape)}."
            )
        if edge_x is None and not self.edge_size:
            return x.new_empty(rows, 0)
        if edge_x is None or edge_x.shape != (rows, self.edge_size):
            found = None if edge_x is None else list(edge_x.shape)
            needed = f"({rows}, {self.edge_size})" if self.edge_size else "None, as edge_size=0"
            raise ShapeError(f"edge_x must be {needed}; got {found}.")
        return edge_x

    def _pass(
        self, gates: nn.Module, dag: DAG, x: Tensor, z: Tensor, q: Tensor, kv: Tensor
    ) -> Tensor:
        """What the nodes read of one direction (N, heads, V)."""
        before, after = dag.edges
        source, mark, t = gates(x, z, dag)
        if self.mode == "P":
            line, transition = dag.line_graph, self._shared(t, dag.line_graph)
        else:
            line, kept = dag.line_graph.multitree
            transition = torch.tanh(t[kept])
        states = edge_states(line, source, transition, kv[before])
        read = rows_like(mark, q) * torch.einsum("ehk,ehkv->ehv", q[after], states)
        return read.new_zeros(dag.nodes, *read.shape[1:]).index_add(0, after, read)

    def _shared(self, t: Tensor, line: DAG) -> Tensor:
        """Transitions (P, heads) of which what enters a node leaves it no larger."""
        arriving, leaving = line.edges
        zero = t.new_zeros(line.nodes, t.shape[1])
        if self.by == "in":
            return t / (0.5 + zero.index_add(0, arriving, t.abs())[arriving])
        index = rows_like(leaving, t).expand_as(t)
        return t / (0.5 + zero.scatter_reduce(0, index, t.abs(), "amax")[leaving])


class PLSTMGraph(nn.Module):
    """A model of whole graphs: (labels or features of nodes, graph) to (graphs, classes).

        x ← x + layer(N(x));   x ← x + MLP(N(x))           for every mode in turn
        answer = W mean over the nodes of N(x)

    Args:
        embedding: from what a node is given as to (N, D).
        size: D; 96 in the paper.
        classes: how many answers.
        heads: a divisor of D.
        modes: the mode of every layer in turn.
        edge_size: features of an edge.
        slots: as for `GraphPLSTM`.
        tied: let queries be the keys.
        weights: of the gates.
        device: of the parameters.
        dtype: of the parameters.
    """

    def __init__(
        self,
        embedding: nn.Module,
        size: int,
        classes: int,
        heads: int = 4,
        modes: Sequence[str] = "PPDD",
        *,
        edge_size: int = 0,
        slots: int | None = None,
        tied: bool = False,
        weights: bool = True,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        on: dict[str, Any] = {"device": device, "dtype": dtype}
        options: dict[str, Any] = {"edge_size": edge_size, "slots": slots}
        options |= {"tied": tied, "weights": weights}
        self.embedding, self.edge_size = embedding, edge_size
        self.layers = nn.ModuleList(
            GraphPLSTM(size, heads, mode, **options, **on) for mode in modes
        )
        self.norms = nn.ModuleList(nn.RMSNorm(size, eps=1e-5, **on) for _ in modes)
        self.mlps = nn.ModuleList(
            nn.Sequential(
                nn.RMSNorm(size, eps=1e-5, **on),
                nn.Linear(size, size, **on),
                nn.GELU(),
                nn.Linear(size, size, **on),
            )
            for _ in modes
        )
        self.norm = nn.RMSNorm(size, eps=1e-5, **on)
        self.head = nn.Linear(size, classes, **on)

    def forward(self, x: Tensor, dag: DAG, edge_x: Tensor | None = None) -> Tensor:
        """One answer for every graph of the batch, (graphs, classes).

        Args:
            x: what the embedding takes, one row for each node.
            dag: the graphs, joined by `DAG.join`.
            edge_x: (E, F), with edge features.
        """
        h = self.embedding(x)
        for norm, layer, mlp in zip(self.norms, self.layers, self.mlps, strict=True):
            h = h + layer(norm(h), dag, edge_x)
            h = h + mlp(h)
        count = dag.graph.bincount(minlength=dag.graphs).clamp_min(1)
        total = h.new_zeros(dag.graphs, h.shape[1]).index_add(0, dag.graph, self.norm(h))
        answer: Tensor = self.head(total / count[:, None])
        return answer
