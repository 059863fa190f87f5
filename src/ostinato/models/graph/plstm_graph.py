"""pLSTM on directed acyclic graphs: cell states live on edges.

In every head::

    C_e = S_e k_n v_nᵀ + Σ_{e' into n} T_{e'→e} C_{e'}               e leaves node n
    h_n = s Σ_{e into n} M_e C_eᵀ q_n + s D_n (k_n·q_n) v_n
    y = W_out HeadRMSNorm(Σ over both directions of h)

    S, M and t of nodes, and of edges or their slots: `plstm_graph_gates`
    P:  T_{e'→e} = t_{e'→e} / (½ + Σ_{e out of n} |t_{e'→e}|)          what enters is shared out
    D:  T_{e'→e} = tanh(t_{e'→e}), on a line graph thinned out to single paths

With several states in a head (`Tracking`), S and M are matrices, and T is the number above times a
matrix that lengthens no vector (`stable_transition`), so that both bounds stay.

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
from ostinato.core.form import FormDecision
from ostinato.core.registry import tell_form
from ostinato.core.state import rows_like
from ostinato.models.graph.plstm_graph_gates import EdgeGates, GateSizes, SlotGates
from ostinato.models.graph.plstm_grid import small_normal
from ostinato.models.head_rms_norm import HeadRMSNorm
from ostinato.models.tracking import Tracking
from ostinato.over.block import matches, product
from ostinato.over.dag import DAG
from ostinato.over.edge_scan import edge_forms, edge_scan
from ostinato.over.edges import Edges

__papers__ = ("plstm",)


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
        tracking: states, keys, values, queries and outputs of a head; None: one each.
        transition: form of what turns several states, see `stable_transition`.
        weights: let gates depend on the input; False: biases only.
        block_diagonal: let the gates of a head read its own D/heads features only.
        device: of the parameters.
        dtype: of the parameters.

    Raises:
        ArgumentError: if the heads do not divide D, there is no such mode, norm, direction or
            transition, edges are to have both features and slots, or no slot, queries that are keys
            are not as many, or gates are to read a part of what they do not read.
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
        tracking: Tracking | None = None,
        transition: str = "diagonal",
        weights: bool = True,
        block_diagonal: bool = False,
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
        self.tracking = j = tracking or Tracking()
        vectors, self.sizes = j.vectors(tied), GateSizes(j, transition)
        self.vectors = [*vectors[2:], *vectors[:2]]
        self.input = nn.Linear(size, sum(vectors) * size, False, **on)
        self.direct = nn.Parameter(torch.full((heads, j.read, j.written), -5.0, **on))
        if block_diagonal and not weights:
            raise ArgumentError(
                "Gates of biases only read no input: leave out block_diagonal or weights=False."
            )
        read: dict[str, Any] = {"weights": weights, "block_diagonal": block_diagonal, **on}
        self.directions = nn.ModuleList(
            EdgeGates(size, heads, edge_size, self.sizes, **read)
            if slots is None
            else SlotGates(size, heads, slots, self.sizes, **read)
            for _ in range(directions)
        )
        self.norm = HeadRMSNorm(heads, size // heads * j.outputs, **on)
        self.output = nn.Linear(size * j.outputs, size, False, **on)
        for linear in (self.input, self.output):
            small_normal(linear)

    def forward(self, x: Tensor, dag: DAG, edge_x: Tensor | None = None) -> Tensor:
        """Nodes (N, D) and, with edge features, edges (E, F) to (N, D)."""
        z = self._checked(x, dag, edge_x)
        way, forms = edge_forms(x)
        tell_form(FormDecision(type(self).__name__, x, None, "auto", way, forms))
        parts = torch.unflatten(self.input(x), -1, (-1, self.heads, self.size // self.heads))
        *q, k, v = torch.split(parts.movedim(-2, 0), self.vectors, -2)
        vectors = self.tracking.paired(q[0] if q else k, k, v)  # (heads, N, ·, K)
        direct = self.direct.sigmoid().unsqueeze(1) * matches(*vectors[:2])
        h = product(direct, vectors[2])  # (heads, N, W, V)
        # Against the edges only where that is asked for: turning them round takes time.
        graphs = (dag,) if len(self.directions) == 1 else (dag, dag.reversed)
        for direction, graph in zip(self.directions, graphs, strict=True):
            source, transition, mark, edges = self._gates(direction, graph, x, z)
            h = h + edge_scan(*vectors, source, transition, mark, edges)
        heads = self.tracking.summed(self.scale * h).flatten(-2).transpose(0, 1)
        y: Tensor = self.output(self.norm(heads).flatten(1))
        return y

    def extra_repr(self) -> str:
        """The options, for `print`."""
        facts = f"heads={self.heads}, mode={self.mode!r}, norm={self.by!r}, scale={self.scale}"
        return f"{facts}, {self.tracking}"

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

    def _gates(
        self, gates: nn.Module, dag: DAG, x: Tensor, z: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Edges]:
        """What `edge_scan` takes beside vectors, of one direction."""
        j, line = self.tracking, dag.line_graph
        source, mark, pairs = gates(x, z, dag)
        if self.mode == "P":
            share = self._shared(pairs[..., 0], line)
        else:
            line, kept = line.multitree
            pairs = pairs[kept]
            share = torch.tanh(pairs[..., 0])
        matrices = (
            torch.unflatten(source, -1, (j.states, -1)),
            self.sizes.turned(share, pairs[..., 1:]),
            torch.unflatten(mark, -1, (-1, j.states)),
        )
        s, t, m = (each.transpose(0, 1) for each in matrices)
        return s, t, m, Edges.in_order(dag.edges, line)

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
        tracking: as for `GraphPLSTM`.
        transition: as for `GraphPLSTM`.
        scale: as for `GraphPLSTM`.
        weights: of the gates.
        block_diagonal: of the gates.
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
        tracking: Tracking | None = None,
        transition: str = "diagonal",
        scale: float = 1.0,
        weights: bool = True,
        block_diagonal: bool = False,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        on: dict[str, Any] = {"device": device, "dtype": dtype}
        options: dict[str, Any] = {"edge_size": edge_size, "slots": slots}
        options |= {"tied": tied, "scale": scale}
        options |= {"weights": weights, "block_diagonal": block_diagonal}
        options |= {"tracking": tracking, "transition": transition}
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
