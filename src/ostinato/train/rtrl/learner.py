"""Real-time recurrent learning of any cell: exact gradients without going back in time.

    dL_t/dθ = ∂L_t/∂θ + e_t S_{t−1},    e_t = ∂L_t/∂h_{t−1}

The state before a segment is given a gradient of its own, S, so that what autograd finds in the
segment and what came before it add up. Segments may be single steps; the sum over all segments is
the gradient of backpropagation through all time if the weights are held, and where they are
updated in between S lags behind by what older weights did.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from ostinato.compiler.plan import fingerprint
from ostinato.core.errors import ArgumentError
from ostinato.core.recurrence import Recurrence
from ostinato.core.sequence import zero_padding
from ostinato.core.state import State, detach, leaves, rows_like
from ostinato.over.layer import Options
from ostinato.over.time import RNN, Stack
from ostinato.train.rtrl.cost import Cost, cost_of
from ostinato.train.rtrl.methods import Kept, Plan, check_method, plan
from ostinato.train.rtrl.sensitivities import Segment

__papers__ = ("rtrl",)


class Carried(NamedTuple):
    """What goes from segment to segment; a tree of tensors, to be saved like any state.

    Attributes:
        state: of the cell, leaves (B, ...).
        kept: its sensitivities; None before the first segment.
        below: the states of the layers below; None if there are none.
    """

    state: State
    kept: tuple[Tensor, ...] | None = None
    below: State = None


class RTRL:
    """Learn forward in time: gradients that reach back to the first step, in constant memory.

    For example::

        learner, carried = RTRL(ost.RNN(ELSTMCell(8, 64))), None
        for x, targets in stream:                       # x (B, T, 8), any T, also 1
            y, carried = learner(x, carried)
            loss(y, targets).backward()                 # into .grad, as usual
            optimizer.step()
            optimizer.zero_grad()

    Exact for every cell whose constants enter by products with the rows or element by element
    (`entries`); the cost depends on how its units mix, see `explain`. Of a `Stack` the last layer
    is learned so. What lies below it, as an embedding does, receives the gradient of the segment,
    which is truncated backpropagation: two layers are one dense recurrence, and exact only as one
    cell, `wrap.Stacked`, at its cost.

    Where weights change between segments, sensitivities are partly those of older weights: kept
    as they are, faded by `decay`, or computed anew by `Replay`.

    R. J. Williams, D. Zipser, Neural Computation 1, 1989; K. Irie, A. Gopalakrishnan,
    J. Schmidhuber, ICLR 2024, arXiv 2305.19044.

    Args:
        layer: a layer over a cell, or a stack of layers; their engines run the segments.
        method: "exact"; "snap", what a parameter reaches within `order` steps; "rflo", without
            what the state does through recurrent products; "uoro", of rank one and unbiased;
            "truncated", none: backpropagation through the segment alone.
        order: n of SnAp-n.
        generator: of the signs of "uoro"; None: torch's own.
        decay: what of the sensitivities goes on to the next segment.

    Raises:
        ArgumentError: if there is no such method, `decay` is not in [0, 1], or the layer is not
            one that goes forward in time.
    """

    def __init__(
        self,
        layer: RNN | Stack,
        method: str = "exact",
        order: int = 1,
        generator: torch.Generator | None = None,
        decay: float = 1.0,
    ) -> None:
        check_method(method, order)
        if not 0 <= decay <= 1:
            raise ArgumentError(f"decay must be in [0, 1]; got {decay}.")
        self.below, self.rnn = _split(layer)
        self.method, self.order, self.generator = method, order, generator
        self.decay = decay
        self._plans: dict[Hashable, Plan] = {}

    def __call__(
        self,
        x: Any,
        carried: Carried | None = None,
        lengths: Tensor | None = None,
        resets: Tensor | None = None,
    ) -> tuple[Any, Carried]:
        """Run a segment.

        Args:
            x: inputs (B, T, D), or a tree of such.
            carried: what the segment before returned; None before the first.
            lengths: (B,) valid steps of each row.
            resets: (B, T) bool, true where a new sequence begins: nothing is carried over it.

        Returns:
            Outputs (B, T, ...), whose losses are to be back-propagated, and what is carried on.

        Raises:
            ArgumentError: if the cell draws noise, or its initial state is learned.
            CellError: if a parameter enters the step in a way that is not followed; it is named.
        """
        below = None if carried is None else carried.below
        if self.below is not None:
            x, below = self.below(x, below, lengths, resets)
        recurrence = self._recurrence(x, carried, Options(lengths=lengths, resets=resets))
        prepared = self._plan(recurrence)
        init = leaves(recurrence.init)
        kept = None if carried is None else carried.kept
        if kept is None:
            kept = tuple(init[0].new_zeros(len(init[0]), *s) for s in prepared.kept.shapes(init))
        elif self.decay < 1:
            kept = prepared.kept.faded(kept, self.decay)
        fixed = prepared.constants()
        attached = _Attach.apply(prepared.kept, kept, len(init), *init, *fixed)  # type: ignore[no-untyped-call]
        state = pytree.tree_unflatten(attached, pytree.tree_structure(recurrence.init))
        y, last, states = self.rnn(x, state, lengths, resets, return_states=True)
        with torch.no_grad(), torch.autocast(init[0].device.type, enabled=False):
            kept = prepared.kept.advance(kept, _segment(recurrence, states, fixed))
        return y, Carried(detach(last), kept, detach(below))

    def explain(self, x: Any) -> Cost:
        """What is kept of every parameter, for inputs like x (B, T, D); `print` it.

        Exact sensitivities of an element-by-element cell are as many as its parameters, for every
        leaf of the state; of a dense one as many for every number of the state.
        """
        if self.below is not None:
            with torch.no_grad():
                x, _ = self.below(x)
        recurrence = self._recurrence(x, None, Options())
        found = self._plan(recurrence)
        return cost_of(self.rnn.cell, self.method, found, leaves(recurrence.init))

    def cost(self, x: Any) -> int:
        """How many numbers a row keeps beside its state, for inputs like x (B, T, D)."""
        return self.explain(x).numbers

    def _recurrence(self, x: Any, carried: Carried | None, options: Options) -> Recurrence:
        found = self.rnn.recurrence(x, None if carried is None else carried.state, options)
        if found.cell is None:
            raise ArgumentError(
                "RTRL needs a step that draws no noise; call .eval() on the layer, or leave out "
                "dropout and zoneout."
            )
        if any(leaf.requires_grad for leaf in leaves(found.init)):
            raise ArgumentError(
                "RTRL does not follow an initial state that is learned; use a cell whose initial "
                "state is constant, and detach a state that you give."
            )
        return found

    def _plan(self, recurrence: Recurrence) -> Plan:
        x, h = leaves(recurrence.xs), leaves(recurrence.init)
        like = (*(leaf[0] for leaf in x), *h)
        kinds = ((leaf.shape[1:], leaf.dtype, leaf.device) for leaf in like)
        device = h[0].device.type
        narrow = torch.is_autocast_enabled(device) and torch.get_autocast_dtype(device)
        key = (fingerprint(self.rnn.cell), narrow, *kinds)
        if key not in self._plans:
            # Without its cache, in which a trace would leave tensors that have no numbers.
            with torch.autocast(device, narrow or None, enabled=bool(narrow), cache_enabled=False):
                self._plans = {key: plan(recurrence, self.method, self.order, self.generator)}
        return self._plans[key]


def _split(layer: RNN | Stack) -> tuple[Stack | None, RNN]:
    """The layers below, if any, and the last one, which is learned forward in time."""
    layers = list(layer.layers) if isinstance(layer, Stack) else [layer]
    last = layers[-1]
    if not isinstance(last, RNN) or last.reverse:
        raise ArgumentError(
            "RTRL goes forward in time: it takes an RNN without reverse=True, or a Stack whose "
            f"last layer is one; got {layer}."
        )
    if isinstance(layer, Stack) and layer.dropout:
        raise ArgumentError(f"RTRL takes a Stack without dropout; got {layer.dropout}.")
    return (Stack(layers[:-1]) if layers[:-1] else None), last  # type: ignore[arg-type]


def _segment(recurrence: Recurrence, states: State, fixed: Sequence[Tensor]) -> Segment:
    """The segment as all its steps find it."""
    valid, restart, found = recurrence.valid, recurrence.restart, []
    fresh = leaves(recurrence.fresh) if restart is not None else leaves(recurrence.init)
    for init, after, new in zip(leaves(recurrence.init), leaves(states), fresh, strict=True):
        before = torch.cat([init[None], after.movedim(1, 0)[:-1]])
        if restart is not None:
            before = torch.where(rows_like(restart, before), new, before)
        found.append(before)
    xs = recurrence.xs if valid is None else zero_padding(recurrence.xs, valid)
    return Segment(found, leaves(xs), fixed, None if valid is None else ~valid, restart)


class _Attach(torch.autograd.Function):
    """The state as it is, with the gradient of what came before."""

    @staticmethod
    def forward(
        ctx: Any, kind: Kept, kept: tuple[Tensor, ...], count: int, *tensors: Tensor
    ) -> tuple[Tensor, ...]:
        ctx.kind, ctx.kept, ctx.count, ctx.fixed = kind, kept, count, tensors[count:]
        return tuple(leaf.clone() for leaf in tensors[:count])

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *errors: Tensor) -> tuple[Any, ...]:
        with torch.autocast(errors[0].device.type, enabled=False):
            found = ctx.kind.gradients(ctx.kept, errors, ctx.fixed)
        return (None, None, None, *(None,) * ctx.count, *found)
