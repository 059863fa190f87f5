"""The gates of pLSTM on a graph, from its inputs: computed for every edge, or in slots of nodes.

For an edge e from n to m, that e' is followed by::

    edges:  S_e = σ(w·[x_n, z_e] + b),  M_e = σ(w·[x_m, z_e] + b)
            t_{e'→e} = w·[x_n, z_e', z_e] + b
    slots:  S_e = σ(w_o·x_n + b_o),  M_e = σ(w_i·x_m + b_i),  t_{e'→e} = w_{i'o}·x_n + b_{i'o}

where e leaves n by its slot o and enters m by its slot i. So edges at one node are told apart by
what they carry, or by their places, as right and down are on a grid.

Source: Pöppel, Freinschlag, Schmied, Lin & Hochreiter 2025, "pLSTM: parallelizable Linear Source
Transition Mark networks", NeurIPS, arXiv 2506.11997.
Deviation: a source is in the slot that its edge leaves by, a mark in that which it enters by; the
paper's code has them the other way round.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from ostinato.core.errors import ArgumentError
from ostinato.models.bias_only import BiasOnly, affine
from ostinato.models.graph.plstm_grid import small_normal
from ostinato.over.dag import DAG

__papers__ = ("plstm",)

Gates = tuple[Tensor, Tensor, Tensor]
"""Source and mark (E, heads), in (0, 1), and t (P, heads) of the pairs of edges that meet."""


class EdgeGates(nn.Module):
    """One set of weights for all edges.

    Args:
        size: D.
        heads: how many.
        edge_size: F, features of an edge.
        weights: let them depend on the input; False: biases only.
        device: of the parameters.
        dtype: of the parameters.
    """

    def __init__(
        self,
        size: int,
        heads: int,
        edge_size: int = 0,
        *,
        weights: bool = True,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        on: dict[str, Any] = {"device": device, "dtype": dtype}
        self.source = affine(size + edge_size, heads, weights, **on)
        self.mark = affine(size + edge_size, heads, weights, **on)
        self.transition = affine(size + 2 * edge_size, heads, weights, **on)
        _begin(self.source, self.mark, self.transition)
        nn.init.normal_(self.transition.bias, std=10)

    def forward(self, x: Tensor, z: Tensor, dag: DAG) -> Gates:
        """Nodes (N, D) and features of edges (E, F) to gates."""
        before, after = dag.edges
        arriving, leaving = dag.line_graph.edges
        source = self.source(torch.cat([x[before], z], -1)).sigmoid()
        mark = self.mark(torch.cat([x[after], z], -1)).sigmoid()
        met = torch.cat([x[after[arriving]], z[arriving], z[leaving]], -1)
        return source, mark, self.transition(met)


class SlotGates(nn.Module):
    """Weights for each slot.

    Args:
        size: D.
        heads: how many.
        slots: how many edges can leave a node, and enter it.
        weights: let them depend on the input; False: biases only.
        device: of the parameters.
        dtype: of the parameters.

    Raises:
        ArgumentError: if there is no slot.
    """

    def __init__(
        self,
        size: int,
        heads: int,
        slots: int,
        *,
        weights: bool = True,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        if slots < 1:
            raise ArgumentError(f"slots must be at least 1, or None for none; got {slots!r}.")
        on: dict[str, Any] = {"device": device, "dtype": dtype}
        self.heads, self.slots = heads, slots
        self.source = affine(size, slots * heads, weights, **on)
        self.mark = affine(size, slots * heads, weights, **on)
        self.transition = affine(size, slots * slots * heads, weights, **on)
        _begin(self.source, self.mark, self.transition)
        # What enters by a slot goes on through the one of the same number.
        straight = 10 * torch.eye(slots, **on).flatten().repeat_interleave(heads)
        self.transition.bias.data.copy_(straight)

    def forward(self, x: Tensor, z: Tensor, dag: DAG) -> Gates:
        """Nodes (N, D) to gates; features of edges are not read.

        Raises:
            ArgumentError: if an edge has a slot that there is not.
        """
        leave, enter = self._within(dag.slots)
        before, after = dag.edges
        arriving, leaving = dag.line_graph.edges
        source = self._of(self.source, x)[before, leave]
        mark = self._of(self.mark, x)[after, enter]
        turn = enter[arriving] * self.slots + leave[leaving]
        return source.sigmoid(), mark.sigmoid(), self._of(self.transition, x)[after[arriving], turn]

    def _of(self, linear: nn.Module, x: Tensor) -> Tensor:
        """(N, slots, heads), or (N, slots², heads) by entering and leaving slot."""
        return torch.unflatten(linear(x), -1, (-1, self.heads))

    def _within(self, slots: Tensor) -> Tensor:
        largest = int(slots.max()) if slots.numel() else 0
        if largest >= self.slots:
            raise ArgumentError(
                f"Edges have slots 0 to {self.slots - 1} here; got slot {largest}. Make the layer "
                f"with slots={largest + 1} or more, or without, for gates that all edges share."
            )
        return slots


def _begin(*gates: nn.Linear | BiasOnly) -> None:
    """Begin with hardly anything written or read, by the gates of source, mark and transition."""
    for gate, bias in zip(gates, (-5, -5, 0), strict=True):
        if isinstance(gate, nn.Linear):
            small_normal(gate)
        nn.init.constant_(gate.bias, bias)
