"""A state that is clipped after every step.

    s_t = min(max(f(x_t, s_{t−1}), −c), c)

Source: the forward clip of h in Pöppel, Beck & Hochreiter 2025, "FlashRNN: I/O-Aware Optimization
of Traditional RNNs on modern hardware", arXiv 2412.07752.
Deviation: any leaf of the state may be clipped, not h alone.
"""

from __future__ import annotations

import math
from typing import Any

from torch import Tensor

from ostinato.core.cell import Cell
from ostinato.core.clip_gradient import check_limit
from ostinato.core.state import State, map_state
from ostinato.wrap.rates import spread
from ostinato.wrap.wrapper import Wrapper, follow

__papers__ = ("flashrnn",)


class Clamped(Wrapper):
    """Keep the elements of the state within ±c; where one was beyond, no gradient passes.

    An output that is a leaf of the state is the clipped leaf. For example::

        cell = Clamped(ElmanCell(64, 128, activation="relu"), 10.0)
        cell = Clamped(LSTMCell(64, 128), (math.inf, 50.0))          # c, and not h

    Leaves that are not of real numbers are left alone.

    Args:
        cell: the cell inside.
        limit: c, or a tree of such in the structure of the state; ∞ clips nothing.

    Raises:
        ArgumentError: if a limit is not positive, or the tree is not like the state.
    """

    def __init__(self, cell: Cell, limit: Any) -> None:
        super().__init__(cell)
        self.limit = limit
        state = cell.initial_state(1)
        limits = spread(limit, state, "The limit of a state")
        map_state(lambda each: check_limit(each, "The limit of a state"), limits)
        self._limits = map_state(_limit, limits, state)

    def wrapped_step(
        self, x: Any, state: State, own: State | None, inner: State | None
    ) -> tuple[Any, State]:
        """One step, whose state is clipped."""
        output, new = self.inner_step(x, state, inner)
        clipped = map_state(_clamp, new, self._limits)
        return follow(output, new, clipped), clipped

    def extra_repr(self) -> str:
        """The limit, for `print`."""
        return f"limit={self.limit}"


def _limit(limit: float, leaf: Tensor) -> float:
    return limit if leaf.is_floating_point() else math.inf


def _clamp(leaf: Tensor, limit: float) -> Tensor:
    return leaf if limit == math.inf else leaf.clamp(-limit, limit)
