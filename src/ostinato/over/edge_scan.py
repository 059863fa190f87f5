"""Linear recurrence over the edges of a graph: what is written at a node, passed on, and read.

    C_e[j] = Σ_u S_e[j,u] k_n[u] v_n[u]ᵀ + Σ over e' into n of Σ_i T_{e'→e}[j,i] C_{e'}[i]
    h_m[w] = Σ over e into m of Σ_j M_e[w,j] C_e[j]ᵀ q_m[w]              e leaves n and enters m

On the CPU a compiled loop goes from edge to edge and keeps no state for the gradient
(`edge_loop`); elsewhere, for second derivatives, and without a compiler, torch runs over the
levels of the line graph.

Source: Pöppel, Freinschlag, Schmied, Lin & Hochreiter 2025, "pLSTM: parallelizable Linear Source
Transition Mark networks", NeurIPS, arXiv 2506.11997.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from ostinato.core.errors import ShapeError
from ostinato.core.form import Form
from ostinato.over import edge_loop
from ostinato.over.edges import Edges
from ostinato.over.graph import graph_scan

__papers__ = ("plstm",)

_NAMES = ("q", "k", "v", "source", "transition", "mark")


def edge_scan(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    source: Tensor,
    transition: Tensor,
    mark: Tensor,
    edges: Edges,
) -> Tensor:
    """What all nodes read, (..., N, W, V).

        dag = DAG(torch.tensor([[0, 0, 1, 2], [1, 2, 3, 3]]))
        edges = Edges.in_order(dag.edges, dag.line_graph)
        h = edge_scan(q, k, v, source, transition, mark, edges)

    Args:
        q: queries of the nodes (..., N, W, K).
        k: keys (..., N, U, K).
        v: values (..., N, U, V).
        source: S (..., ·, J, U), of which each edge reads a row; no two the same.
        transition: T (..., ·, J, J), of which each pair of edges that meet does.
        mark: M (..., ·, W, J), of which each edge does.
        edges: where they lead, and which rows are theirs.

    Raises:
        ShapeError: if the tensors do not fit together.
    """
    parts = (q, k, v, source, transition, mark)
    _check(parts, edges)
    if edge_loop.obstacle(parts):
        return _levels(parts, edges)
    count = math.prod(q.shape[:-3])
    lanes = (part.reshape(count, *part.shape[-3:]) for part in parts)
    h: Tensor = _EdgeScan.apply(edges, *lanes)  # type: ignore[no-untyped-call]
    return h.view(*q.shape[:-1], v.shape[-1])


def edge_forms(x: Tensor) -> tuple[str, dict[str, Form]]:
    """How `edge_scan` evaluates tensors like x, and all ways that there are."""
    obstacle = edge_loop.obstacle((x,))
    forms = {
        "compiled": Form("one compiled loop from edge to edge", obstacle),
        "levels": Form("torch's operations, one level of edges after the other"),
    }
    return "levels" if obstacle else "compiled", forms


class _EdgeScan(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, edges: Edges, *parts: Tensor) -> Tensor:
        ctx.edges = edges
        ctx.save_for_backward(*parts)
        return edge_loop.run(parts, edges)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        parts, wants = ctx.saved_tensors, ctx.needs_input_grad[1:]
        if not torch.is_grad_enabled():
            return None, *edge_loop.run_back(parts, grads[0], ctx.edges)
        wanted = [part for part, each in zip(parts, wants, strict=True) if each]
        found = iter(
            torch.autograd.grad(
                _levels(parts, ctx.edges), wanted, grads[0], create_graph=True, allow_unused=True
            )
        )
        return None, *(next(found) if each else None for each in wants)


def _levels(parts: tuple[Tensor, ...], edges: Edges) -> Tensor:
    """The same in torch's operations."""
    q, k, v, *gates = (part.movedim(-3, 0) for part in parts)
    leaves, enters = edges.ends
    rows = (edges.sources, edges.turns, edges.marks)
    source, transition, mark = (
        gate.index_select(0, row) for gate, row in zip(gates, rows, strict=True)
    )
    written = torch.einsum("e...ju,e...uk,e...uv->e...jkv", source, k[leaves], v[leaves])
    _, states = graph_scan(
        lambda x, before: (x.new_empty(len(x), 0), x + before),
        edges.line,
        written,
        init=torch.zeros_like(written),
        edge_x=transition,
        message=lambda state, x, t: torch.einsum("p...ji,p...ikv->p...jkv", t, state),
    )
    read = torch.einsum("e...wj,e...wk,e...jkv->e...wv", mark, q[enters], states)
    return read.new_zeros(len(q), *read.shape[1:]).index_add(0, enters, read).movedim(0, -3)


def _check(parts: tuple[Tensor, ...], edges: Edges) -> None:
    for name, part in zip(_NAMES, parts, strict=True):
        if part.dim() < 3:
            raise ShapeError(f"{name} needs three axes or more; got {list(part.shape)}.")
    q, k, v, source, transition, mark = (part.shape[-3:] for part in parts)
    nodes, reads, keys = q
    writes, values = v[1:]
    states = transition[-1]
    expected = {
        "k": (k, (nodes, writes, keys)),
        "v": (v, (nodes, writes, values)),
        "source": (source, (source[0], states, writes)),
        "transition": (transition, (transition[0], states, states)),
        "mark": (mark, (mark[0], reads, states)),
    }
    for (name, (found, needed)), part in zip(expected.items(), parts[1:], strict=True):
        if found != needed or part.shape[:-3] != parts[0].shape[:-3]:
            raise ShapeError(
                f"{name} needs the axes {[*parts[0].shape[:-3], *needed]} for q "
                f"{list(parts[0].shape)}; got {list(part.shape)}."
            )
    rows = dict(zip(("q", "source", "transition", "mark"), edges.least, strict=True))
    for (name, least), part in zip(rows.items(), (parts[0], *parts[3:]), strict=True):
        if part.shape[-3] < least:
            raise ShapeError(f"{name} needs {least} rows for these edges; got {list(part.shape)}.")
