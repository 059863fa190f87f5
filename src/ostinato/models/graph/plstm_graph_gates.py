"""The gates of pLSTM on a graph, from its inputs: computed for every edge, or in slots of nodes.

For an edge e from n to m, that e' is followed by::

    edges:  S_e = σ(w·[x_n, z_e] + b),  M_e = σ(w·[x_m, z_e] + b)
            t_{e'→e} = w·[x_n, z_e', z_e] + b
    slots:  S_e = σ(w_o·x_n + b_o),  M_e = σ(w_i·x_m + b_i),  t_{e'→e} = w_{i'o}·x_n + b_{i'o}

where e leaves n by its slot o and enters m by its slot i. So edges at one node are told apart by
what they carry, or by their places, as right and down are on a grid. Heads of several states
(`Tracking`) have matrices S and M, and beside t the numbers of a matrix that turns the states.

Source: Pöppel, Freinschlag, Schmied, Lin & Hochreiter 2025, "pLSTM: parallelizable Linear Source
Transition Mark networks", NeurIPS, arXiv 2506.11997.
Deviation: a source is in the slot that its edge leaves by, a mark in that which it enters by; the
paper's code has them the other way round.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from ostinato.core.errors import ArgumentError
from ostinato.models.bias_only import Affine, BiasOnly, affine
from ostinato.models.graph.plstm_grid import small_normal
from ostinato.models.time.stable_transition import stable_transition, transition_numbers
from ostinato.models.tracking import Tracking
from ostinato.over.dag import DAG

__papers__ = ("plstm",)

Gates = tuple[Tensor, Tensor, Tensor]
"""Source (E, heads, J·U) and mark (E, heads, W·J), in (0, 1), and of the pairs of edges that meet
t and the numbers of the turn (P, heads, 1 + n)."""


@dataclass(frozen=True)
class GateSizes:
    """How many numbers the gates of a head take.

    Attributes:
        tracking: J, U and W.
        transition: form of the turn of several states, see `stable_transition`.
    """

    tracking: Tracking = field(default_factory=Tracking)
    transition: str = "diagonal"

    @property
    def source(self) -> int:
        """J·U."""
        return self.tracking.states * self.tracking.written

    @property
    def mark(self) -> int:
        """W·J."""
        return self.tracking.read * self.tracking.states

    @property
    def pair(self) -> int:
        """1 + n; one state is not turned, n = 0."""
        states, count = (
            self.tracking.states,
            transition_numbers(self.transition, self.tracking.states),
        )
        return 1 + (count if states > 1 else 0)

    def turned(self, share: Tensor, numbers: Tensor) -> Tensor:
        """T (..., J, J) of how much goes on (...) and the numbers of the turn (..., n)."""
        found = share[..., None, None]
        states = self.tracking.states
        if states > 1:
            found = found * stable_transition(self.transition, numbers, states)
        return found


class EdgeGates(nn.Module):
    """One set of weights for all edges.

    Args:
        size: D.
        heads: how many.
        edge_size: F, features of an edge.
        sizes: of gates; None: one number each.
        weights: let them depend on the input; False: biases only.
        block_diagonal: let those of a head read its own D/heads features only.
        device: of the parameters.
        dtype: of the parameters.

    Raises:
        ArgumentError: if the gates of a head are to read features of edges.
    """

    def __init__(
        self,
        size: int,
        heads: int,
        edge_size: int = 0,
        sizes: GateSizes | None = None,
        *,
        weights: bool = True,
        block_diagonal: bool = False,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        on: dict[str, Any] = {"device": device, "dtype": dtype}
        self.heads, sizes = heads, sizes or GateSizes()
        if block_diagonal and edge_size:
            raise ArgumentError(
                "Features of edges belong to no head: leave out edge_size or block_diagonal=True; "
                f"got edge_size={edge_size}."
            )
        blocks = heads if block_diagonal else 1
        self.source = affine(size + edge_size, heads * sizes.source, weights, blocks, **on)
        self.mark = affine(size + edge_size, heads * sizes.mark, weights, blocks, **on)
        self.transition = affine(size + 2 * edge_size, heads * sizes.pair, weights, blocks, **on)
        pairs = _begin(self.source, self.mark, self.transition, sizes)
        pairs[:, 0].normal_(std=10)

    def forward(self, x: Tensor, z: Tensor, dag: DAG) -> Gates:
        """Nodes (N, D) and features of edges (E, F) to gates."""
        before, after = dag.edges
        arriving, leaving = dag.line_graph.edges
        source = self.source(torch.cat([x[before], z], -1)).sigmoid()
        mark = self.mark(torch.cat([x[after], z], -1)).sigmoid()
        met = torch.cat([x[after[arriving]], z[arriving], z[leaving]], -1)
        found = source, mark, self.transition(met)
        source, mark, pairs = (torch.unflatten(each, -1, (self.heads, -1)) for each in found)
        return source, mark, pairs


class SlotGates(nn.Module):
    """Weights for each slot.

    Args:
        size: D.
        heads: how many.
        slots: how many edges can leave a node, and enter it.
        sizes: of gates; None: one number each.
        weights: let them depend on the input; False: biases only.
        block_diagonal: let those of a head read its own D/heads features only.
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
        sizes: GateSizes | None = None,
        *,
        weights: bool = True,
        block_diagonal: bool = False,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        if slots < 1:
            raise ArgumentError(f"slots must be at least 1, or None for none; got {slots!r}.")
        on: dict[str, Any] = {"device": device, "dtype": dtype}
        self.heads, self.slots, sizes = heads, slots, sizes or GateSizes()
        blocks = heads if block_diagonal else 1
        places = ((slots, sizes.source), (slots, sizes.mark), (slots**2, sizes.pair))
        self.source, self.mark, self.transition = (
            affine(size, count * heads * numbers, weights, blocks, count, **on)
            for count, numbers in places
        )
        pairs = _begin(self.source, self.mark, self.transition, sizes)
        # What enters by a slot goes on through the one of the same number.
        pairs[:, 0] = 10 * torch.eye(slots, **on).flatten().repeat_interleave(heads)

    def forward(self, x: Tensor, z: Tensor, dag: DAG) -> Gates:
        """Nodes (N, D) to gates; features of edges are not read.

        Raises:
            ArgumentError: if an edge has a slot that there is not.
        """
        leave, enter = self._within(dag.slots)
        before, after = dag.edges
        arriving, leaving = dag.line_graph.edges
        source = self._of(self.source, x, self.slots)[before, leave]
        mark = self._of(self.mark, x, self.slots)[after, enter]
        turn = enter[arriving] * self.slots + leave[leaving]
        pairs = self._of(self.transition, x, self.slots**2)[after[arriving], turn]
        return source.sigmoid(), mark.sigmoid(), pairs

    def _of(self, linear: nn.Module, x: Tensor, places: int) -> Tensor:
        """(N, slots, heads, ·), or (N, slots², heads, ·) by entering and leaving slot."""
        return torch.unflatten(linear(x), -1, (places, self.heads, -1))

    def _within(self, slots: Tensor) -> Tensor:
        largest = int(slots.max()) if slots.numel() else 0
        if largest >= self.slots:
            raise ArgumentError(
                f"Edges have slots 0 to {self.slots - 1} here; got slot {largest}. Make the layer "
                f"with slots={largest + 1} or more, or without, for gates that all edges share."
            )
        return slots


@torch.no_grad()
def _begin(source: Affine, mark: Affine, transition: Affine, sizes: GateSizes) -> Tensor:
    """Begin with hardly anything written or read, and states hardly turned.

    Returns:
        The bias of transitions, a row (1 + n) for each t and its turn, to be begun by the caller.
    """
    for gate in (source, mark, transition):
        if not isinstance(gate, BiasOnly):
            small_normal(gate)
    for gate in (source, mark):
        gate.bias.fill_(-5)  # type: ignore[union-attr]
    assert transition.bias is not None
    pairs = transition.bias.detach().view(-1, sizes.pair)
    pairs[:, 1:].normal_(std=0.1)
    if sizes.pair > 1:
        pairs[:, -sizes.tracking.states :] += 1
    return pairs
