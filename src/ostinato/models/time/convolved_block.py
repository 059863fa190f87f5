"""The frame of a block that convolves over time and then recurs over it.

What a system computes between these two, and around them, is its own; how state, padding, resets
and streams go through both is here.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from ostinato.core.sequence import valid_steps
from ostinato.core.state import State
from ostinato.over.layer import Options, SequenceLayer
from ostinato.over.time import RNN

Inner = Callable[[Any], tuple[Any, ...]]
"""Either layer, over whole sequences or for one step: inputs to outputs and what it carries."""


class ConvolvedBlock(SequenceLayer):
    """A block with one convolution and one recurrence; a subclass makes them and says `mix`.

    Shapes: x and output (B, T, D); the state is the pair of the convolution's (B, kernel−1, D)
    and the cell's.
    """

    convolution: SequenceLayer
    recurrence: RNN

    @abstractmethod
    def mix(self, x: Tensor, convolve: Inner, recur: Inner) -> tuple[Any, ...]:
        """Compute the block; without bias but in the convolution, so that zeros stay zero.

        Args:
            x: (..., D).
            convolve: the convolution.
            recur: the recurrence.

        Returns:
            The output (..., D), and the pairs of what the two layers return beside theirs.
        """

    def initial_state(self, batch_size: int) -> State:
        """The pair of initial states, leaves (batch_size, ...)."""
        layers = (self.convolution, self.recurrence)
        return tuple(layer.initial_state(batch_size) for layer in layers)

    def run(self, x: Tensor, state: State | None, options: Options) -> tuple[Any, ...]:
        """Run over x (B, T, D); returns outputs, state[, states]."""
        if options.lengths is not None:
            lengths = torch.as_tensor(options.lengths, device=x.device)
            x = x.masked_fill(~valid_steps(lengths, *x.shape[:2]).T[..., None], 0)
        past, memory = (None, None) if state is None else state
        return self.mix(
            x,
            lambda u: self.convolution.run(u, past, options),
            lambda u: self.recurrence.run(u, memory, options),
        )

    def step(
        self, x: Tensor, state: State | None = None, noise: State | None = None
    ) -> tuple[Any, State]:
        """Run one step of a stream; see `SequenceLayer.step`."""
        past, memory = (None, None) if state is None else state
        y, new = self.mix(
            x,
            lambda u: self.convolution.step(u, past),
            lambda u: self.recurrence.step(u, memory),
        )
        return y, new
