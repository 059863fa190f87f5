"""Zoneout: units that keep their previous value at random.

    s_t = m_t ⊙ s_{t−1} + (1 − m_t) ⊙ ŝ_t,    m_t ~ Bernoulli(rate)   with noise
    s_t = rate · s_{t−1} + (1 − rate) · ŝ_t                           without

where ŝ_t is the state that the cell inside returns.

Source: Krueger et al. 2016, "Zoneout: regularizing RNNs by randomly preserving hidden
activations", arXiv 1606.01305. As there, the h of an LSTM is computed from the ĉ_t of the
cell, not from the c_t that zoneout made of it.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Generator, Tensor

from ostinato.core.cell import Cell, Native
from ostinato.core.state import State, leaves, map_state
from ostinato.wrap.bernoulli import fresh_masks
from ostinato.wrap.rates import state_rates
from ostinato.wrap.wrapper import Wrapper, follow


class Zoneout(Wrapper):
    """Keep each unit of the state at its previous value with probability `rate`.

        ost.RNN(Zoneout(LSTMCell(64, 128), rate=(0.05, 0.5)))    # the state is (h, c)

    Every unit draws anew at every step. An output that is a leaf of the state stays that leaf;
    any other output is that of the cell inside. Leaves that are not floating point are left
    to the cell.

    Args:
        cell: the cell inside.
        rate: probability in [0, 1], or a tree of such in the structure of the state.

    Raises:
        ArgumentError: if a rate is out of range, or the tree is not like the state.
    """

    def __init__(self, cell: Cell, rate: Any) -> None:
        super().__init__(cell)
        self.rate = rate
        self._rates = state_rates(rate, cell.initial_state(1), "The rate of zoneout")

    def draw(self, batch_size: int, steps: int, generator: Generator | None) -> State | None:
        """The masks m, true where the old value is kept: (T, B, ...) bool like the state."""
        masks = map_state(
            lambda rate, leaf: fresh_masks(rate, leaf, steps, generator) if rate else None,
            self._rates,
            self.initial_state(batch_size),
        )
        return masks if leaves(masks) else None

    def wrapped_step(
        self, x: Any, state: State, own: State | None, inner: State | None
    ) -> tuple[Any, State]:
        """One step; `own` are the masks."""
        output, proposed = self.inner_step(x, state, inner)
        if own is None:
            new = map_state(_expected, self._rates, state, proposed)
        else:
            new = map_state(_chosen, proposed, state, own)
        return follow(output, proposed, new), new

    def native(self) -> Native | str:
        """As the cell inside if no leaf is ever kept."""
        return self.cell.native() if not any(leaves(self._rates)) else super().native()

    def extra_repr(self) -> str:
        """The rate, for `print`."""
        return f"rate={self.rate}"


def _chosen(new: Tensor, old: Tensor, kept: Tensor | None) -> Tensor:
    return new if kept is None else torch.where(kept, old, new)


def _expected(rate: float, old: Tensor, new: Tensor) -> Tensor:
    return rate * old + (1 - rate) * new if rate else new
