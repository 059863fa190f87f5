"""The block of an LSSL network.

    z = LSSL(x)                              H features with M outputs each
    y = x + W dropout(GELU(z)) + b           from H·M to H

with layer norm in front of the LSSL ("pre") or after the sum ("post").

Source: Gu, Johnson, Goel, Saab, Dao, Rudra & Ré 2021, arXiv 2110.13985.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Generator, Tensor, nn

from ostinato.cells.lssl import LSSLCell
from ostinato.core.errors import EngineError
from ostinato.core.sequence import valid_steps
from ostinato.core.state import State
from ostinato.models.time.lssl_config import ACTIVATIONS, LSSLConfig
from ostinato.models.time.lssl_layer import LSSL
from ostinato.over.layer import Options, SequenceLayer

__papers__ = ("lssl",)


class LSSLBlock(SequenceLayer):
    """LSSL, activation, dropout and linear map, with residual and layer norm.

    Args:
        config: the network's shape.
        engine: of the recurrent view; "auto" chooses.
        device: of the parameters.
        dtype: of the parameters.

    Shapes: x and output (B, T, H); the state is a tuple of one or two (B, H, N).
    """

    def __init__(
        self,
        config: LSSLConfig,
        engine: str = "auto",
        *,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        on: dict[str, Any] = {"device": device, "dtype": dtype}
        self.config, width = config, config.width
        directions = (False, True) if config.bidirectional else (False,)
        options: dict[str, Any] = {"engine": engine, "structured": config.structured}
        self.systems = nn.ModuleList(
            LSSL(_cell(config, on), config.mode, reverse=reverse, **options)
            for reverse in directions
        )
        read = len(self.systems) * config.channels * width
        self.output = nn.Linear(read, width, **on) if config.mix else nn.Identity()
        self.norm = nn.LayerNorm(width, **on)

    def initial_state(self, batch_size: int) -> State:
        """Zeros, (B, H, N) of each direction."""
        return tuple(system.initial_state(batch_size) for system in self._systems())

    def sample_noise(
        self, batch_size: int, steps: int, generator: Generator | None = None
    ) -> State | None:
        """What dropout multiplies with, (T, B, directions·H·M); None without dropout."""
        config, keep = self.config, 1 - self.config.dropout
        if keep == 1:
            return None
        like, count = self.norm.weight, len(self.systems) * config.channels * config.width
        drawn = like.new_empty(steps, batch_size, count).bernoulli_(keep, generator=generator)
        return drawn / keep

    def run(self, x: Tensor, state: State | None, options: Options) -> tuple[Any, ...]:
        """Run over x (B, T, H); returns outputs, state[, states]."""
        noise, valid = options.noise, None
        if noise is None and self.training:
            noise = self.sample_noise(x.shape[0], x.shape[1], options.generator)
        if options.lengths is not None:
            lengths = torch.as_tensor(options.lengths, device=x.device)
            valid = valid_steps(lengths, *x.shape[:2]).T[..., None]
            x = x.masked_fill(~valid, 0)
        states, plain = state or (None,) * len(self.systems), replace(options, noise=None)
        u = self._before(x)
        runs = zip(self._systems(), states, strict=True)
        found, *rest = zip(*(system.run(u, each, plain) for system, each in runs), strict=True)
        y = self._after(x, found, None if noise is None else noise.transpose(0, 1))
        return (y if valid is None else y.masked_fill(~valid, 0), *rest)

    def step(
        self, x: Tensor, state: State | None = None, noise: State | None = None
    ) -> tuple[Any, State]:
        """Run one step of a stream; see `SequenceLayer.step`.

        Raises:
            EngineError: if the block is bidirectional.
        """
        if self.config.bidirectional:
            raise EngineError(
                "A bidirectional block cannot be streamed: half of it begins at the last step. "
                "Call it on whole sequences."
            )
        (system,) = self._systems()
        y, new = system.step(self._before(x), None if state is None else state[0])
        return self._after(x, (y,), noise), (new,)

    def make_discrete(self) -> None:
        """Put recurrences with fixed Ā and B̄ in the place of the LSSLs; see `LSSL.discrete`."""
        found = (s.discrete() if isinstance(s, LSSL) else s for s in self.systems)
        self.systems = nn.ModuleList(found)

    def _before(self, x: Tensor) -> Tensor:
        u: Tensor = self.norm(x) if self.config.norm == "pre" else x
        return u

    def _after(self, x: Tensor, found: tuple[Tensor, ...], noise: Tensor | None) -> Tensor:
        z = ACTIVATIONS[self.config.activation](torch.cat(found, -1))
        y: Tensor = x + self.output(z if noise is None else z * noise)
        return y if self.config.norm == "pre" else self.norm(y)

    def _systems(self) -> list[SequenceLayer]:
        return list(self.systems)  # type: ignore[arg-type]


def _cell(config: LSSLConfig, on: dict[str, Any]) -> LSSLCell:
    return LSSLCell(
        config.width,
        config.width,
        state_size=config.state,
        channels=config.channels,
        measure=config.measure,
        learn=config.learn,
        learn_step=config.learn_step,
        step_min=config.step_min,
        step_max=config.step_max,
        step_init=config.step_init,
        discretisation=config.discretisation,
        project=False,
        **on,
    )
