"""Layers side by side: many small recurrences in the place of one large one.

A dense Jacobian of H elements costs H³ at every step; K heads of H/K elements cost K² times less.
Each head may have a stride of its own, so that some reach far back in few steps.

Source: the multi-head strided GRU of Lim, Zhu, Selfridge & Kasim 2024, ICLR, arXiv 2309.12252.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import torch
from torch import Generator, nn

from ostinato.core.cell import Cell
from ostinato.core.errors import ArgumentError
from ostinato.core.state import State
from ostinato.over.layer import Options, SequenceLayer
from ostinato.over.strided import Strided
from ostinato.over.time import RNN

__papers__ = ("deer",)


class Heads(SequenceLayer):
    """Layers that all read the same input; their outputs are joined, (B, T, H_1 + … + H_K).

    The state is the tuple of the heads' states.

    Args:
        heads: the layers.

    Raises:
        ArgumentError: if there is none.
    """

    def __init__(self, heads: Iterable[SequenceLayer]) -> None:
        super().__init__()
        self.heads = nn.ModuleList(heads)
        if not len(self.heads):
            raise ArgumentError("Heads needs at least one layer; got none.")

    def initial_state(self, batch_size: int) -> State:
        """The tuple of the heads' initial states, leaves (batch_size, ...)."""
        return tuple(head.initial_state(batch_size) for head in self._heads())

    def sample_noise(
        self, batch_size: int, steps: int, generator: Generator | None = None
    ) -> State | None:
        """The tuple of the heads' noise, leaves (T, B, ...); None if there is none."""
        drawn = tuple(head.sample_noise(batch_size, steps, generator) for head in self._heads())
        return None if all(noise is None for noise in drawn) else drawn

    def run(self, x: Any, state: State | None, options: Options) -> tuple[Any, ...]:
        """Run over x (B, T, ...); returns outputs, state[, states]."""
        count = len(self.heads)
        states, noises = state or (None,) * count, options.noise or (None,) * count
        results = [
            head.run(x, before, replace(options, noise=noise))
            for head, before, noise in zip(self._heads(), states, noises, strict=True)
        ]
        y, *rest = zip(*results, strict=True)
        return (torch.cat(y, -1), *rest)

    def step(
        self, x: Any, state: State | None = None, noise: State | None = None
    ) -> tuple[Any, State]:
        """Run one step of a stream through all heads; see `SequenceLayer.step`."""
        count = len(self.heads)
        states, noises = state or (None,) * count, noise or (None,) * count
        triples = zip(self._heads(), states, noises, strict=True)
        y, new = zip(*(head.step(x, before, own) for head, before, own in triples), strict=True)
        return torch.cat(y, -1), new

    def _heads(self) -> list[SequenceLayer]:
        return list(self.heads)  # type: ignore[arg-type]


def strided_heads(
    make_cell: Callable[[], Cell], count: int, base: int = 2, engine: str = "auto"
) -> Heads:
    """Heads of one kind whose strides grow exponentially: 1, base, base², …

        layer = strided_heads(lambda: GRUCell(64, 8), count=8)     # H = 64, strides 1 … 128

    Args:
        make_cell: makes the cell of a head.
        count: how many heads.
        base: the stride of each head over that of the one before.
        engine: as for `RNN`.
    """
    return Heads(Strided(RNN(make_cell(), engine), base**k) for k in range(count))
