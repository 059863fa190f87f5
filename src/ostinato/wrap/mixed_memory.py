"""A gated memory before a cell: a second path through time on which gradients do not vanish.

    (h̃_t, c_t) = memory(x_t, (h_{t−1}, c_{t−1})),   y_t, h_t = cell(x_t, h̃_t)

Source: Lechner & Hasani 2020, "Learning Long-Term Dependencies in Irregularly-Sampled Time Series",
arXiv 2006.04418; with CfC: Hasani, Lechner, Amini, Liebenwein, Ray, Tschaikowski, Teschl & Rus
2022, arXiv 2106.13898.
"""

from __future__ import annotations

from typing import Any

from torch import Generator, Tensor

from ostinato.core.cell import Cell, take_step
from ostinato.core.errors import ArgumentError
from ostinato.core.state import State, describe
from ostinato.wrap.wrapper import Wrapper

__papers__ = ("sparse-lowrank-cfc",)


class MixedMemory(Wrapper):
    """Let a memory prepare the state that a cell receives; the state is (h, c).

    For example::

        cell = MixedMemory(CfCCell(3, 32), LSTMCell(3, 32, forget_bias=1.0))

    Args:
        cell: whose state is one tensor (B, H), e.g. CfC or LTC.
        memory: whose state is a pair (h, c) with h (B, H), e.g. LSTM. Of an input with the time
            since the step before it reads the features.

    Raises:
        ArgumentError: if the states do not fit together.
    """

    def __init__(self, cell: Cell, memory: Cell) -> None:
        super().__init__(cell)
        self.memory = memory
        state, pair = cell.initial_state(1), memory.initial_state(1)
        if not _fits(state, pair):
            raise ArgumentError(
                "MixedMemory needs a cell whose state is one tensor (B, H) and a memory whose "
                "state is a pair (h, c) with h (B, H); got "
                f"{describe(state)} and {describe(pair)}. Give both the same hidden_size, "
                "and e.g. an LSTMCell as memory."
            )

    def initial_state(self, batch_size: int) -> State:
        """That of the cell beside c of the memory."""
        _, c = self.memory.initial_state(batch_size)
        return self.cell.initial_state(batch_size), c

    def draw(self, batch_size: int, steps: int, generator: Generator | None) -> State | None:
        """Draw the noise of the memory."""
        return self.memory.sample_noise(batch_size, steps, generator)

    def wrapped_step(
        self, x: Any, state: State, own: State | None, inner: State | None
    ) -> tuple[Any, State]:
        """One step: the memory, then the cell."""
        features = x if isinstance(x, Tensor) else x[0]
        _, (h, c) = take_step(self.memory, features, state, own)
        output, h = self.inner_step(x, h, inner)
        return output, (h, c)


def _fits(state: State, pair: State) -> bool:
    return (
        isinstance(state, Tensor)
        and isinstance(pair, tuple)
        and len(pair) == 2
        and isinstance(pair[0], Tensor)
        and pair[0].shape == state.shape
    )
