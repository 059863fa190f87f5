"""A block of today's language models: a layer over time and an MLP, each beside what it reads.

x ← x + layer(N(x))
x ← x + MLP(N(x))
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from ostinato.core.sequence import valid_steps
from ostinato.core.state import State
from ostinato.over.layer import Options, SequenceLayer


class ResidualBlock(SequenceLayer):
    """Both parts, each behind a norm; none of them may have biases, so that zeros stay zero.

    Args:
        layer: mixes the steps.
        mlp: of D features.
        norm: makes a norm; called twice.

    Shapes: x and output (B, T, D); the state is the layer's.
    """

    def __init__(self, layer: SequenceLayer, mlp: nn.Module, norm: Callable[[], nn.Module]) -> None:
        super().__init__()
        self.norm, self.layer = norm(), layer
        self.mlp_norm, self.mlp = norm(), mlp

    def initial_state(self, batch_size: int) -> State:
        """The layer's initial state, leaves (batch_size, ...)."""
        return self.layer.initial_state(batch_size)

    def run(self, x: Tensor, state: State | None, options: Options) -> tuple[Any, ...]:
        """Run over x (B, T, D); returns outputs, state[, states]."""
        if options.lengths is not None:
            lengths = torch.as_tensor(options.lengths, device=x.device)
            # beside the layer, too, padding must not pass
            x = x.masked_fill(~valid_steps(lengths, *x.shape[:2]).T[..., None], 0)
        return self._block(x, lambda u: self.layer.run(u, state, options))

    def step(
        self, x: Tensor, state: State | None = None, noise: State | None = None
    ) -> tuple[Any, State]:
        """Run one step of a stream; see `SequenceLayer.step`."""
        y, new = self._block(x, lambda u: self.layer.step(u, state))
        return y, new

    def _block(self, x: Tensor, layer: Callable[[Tensor], tuple[Any, ...]]) -> tuple[Any, ...]:
        mixed, *rest = layer(self.norm(x))
        x = x + mixed
        return (x + self.mlp(self.mlp_norm(x)), *rest)
