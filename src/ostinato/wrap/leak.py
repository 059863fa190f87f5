"""Leak: the state moves only a part of the way to what the cell inside proposes.

    s_t = (1 − α) ⊙ s_{t−1} + α ⊙ ŝ_t

A unit with the leak rate α has the time constant τ = 1/α in steps. Around an Elman network
this is the leaky-integrator network.

Source: Jaeger, Lukoševičius, Popovici & Siewert 2007, "Optimization and applications of echo
state networks with leaky-integrator neurons", Neural Networks 20(3).
"""

from __future__ import annotations

from itertools import count
from typing import Any

import torch
from torch import Tensor, nn

from ostinato.core.cell import Cell
from ostinato.core.errors import ArgumentError
from ostinato.core.state import State, map_state
from ostinato.wrap.rates import is_continuous, spread
from ostinato.wrap.wrapper import Wrapper, follow


class Leak(Wrapper):
    """Interpolate between the state before the step and the one the cell inside returns.

        ost.RNN(Leak(ElmanCell(64, 128), torch.rand(128), learn=True))    # one α per unit

    An output that is a leaf of the state stays that leaf; any other output is that of the
    cell inside. Leaves that are not floating point are left to the cell.

    Args:
        cell: the cell inside.
        rate: α in [0, 1]: a number, or a tensor that broadcasts over one row of a leaf, e.g.
            (H,); for the whole state, or a tree of such in its structure. 1 is no leak.
        learn: make α a parameter, as the sigmoid of a logit that begins at `rate`, which then
            must lie strictly between 0 and 1.

    Raises:
        ArgumentError: if a rate is out of range or does not fit the state.
    """

    def __init__(self, cell: Cell, rate: Any, learn: bool = False) -> None:
        super().__init__(cell)
        self.learn = learn
        state, numbers = cell.initial_state(1), count()
        rates = spread(rate, state, "The leak rate")
        # The leaf's place is a name, since tensors must live on the module to move with it.
        self._names = map_state(
            lambda leaf, alpha: self._add(f"leak{next(numbers)}", leaf, alpha), state, rates
        )

    @property
    def rate(self) -> State:
        """The α of every leaf; 1 for a leaf that is left to the cell."""
        return map_state(self._alpha, self._names)

    def wrapped_step(
        self, x: Any, state: State, own: State | None, inner: State | None
    ) -> tuple[Any, State]:
        """One step."""
        output, proposed = self.inner_step(x, state, inner)
        new = map_state(self._interpolate, self._names, state, proposed)
        return follow(output, proposed, new), new

    def extra_repr(self) -> str:
        """Whether the rates are learned, for `print`."""
        return f"learn={self.learn}"

    def _add(self, name: str, leaf: Tensor, rate: Any) -> str:
        if not is_continuous(leaf):
            return ""
        alpha = _checked(rate, leaf, self.learn)
        if self.learn:
            self.register_parameter(name, nn.Parameter(alpha.logit()))
        else:
            self.register_buffer(name, alpha)
        return name

    def _alpha(self, name: str) -> Tensor:
        if not name:
            return torch.ones(())
        stored: Tensor = getattr(self, name)
        return torch.sigmoid(stored) if self.learn else stored

    def _interpolate(self, name: str, old: Tensor, new: Tensor) -> Tensor:
        if not name:
            return new
        alpha = self._alpha(name)
        return (1 - alpha) * old + alpha * new


def _checked(rate: Any, leaf: Tensor, strictly: bool) -> Tensor:
    """The rate as a tensor of its own, like the leaf."""
    alpha = torch.as_tensor(rate, dtype=leaf.real.dtype, device=leaf.device).detach().clone()
    inside = (alpha > 0) & (alpha < 1) if strictly else (alpha >= 0) & (alpha <= 1)
    interval = "(0, 1) to be learned" if strictly else "[0, 1]"
    if not bool(inside.all()):
        raise ArgumentError(f"A leak rate must lie in {interval}; got {rate}.")
    row = tuple(leaf.shape[1:])
    if alpha.dim() > len(row) or any(
        n not in (1, size) for n, size in zip(alpha.shape[::-1], row[::-1], strict=False)
    ):
        raise ArgumentError(
            f"A leak rate must broadcast over a row {list(row)} of the state; "
            f"got the shape {list(alpha.shape)}."
        )
    return alpha
