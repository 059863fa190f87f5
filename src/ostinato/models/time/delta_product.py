"""DeltaProduct: models whose mixing over time corrects a matrix several times a step.

    x ← x + layer(RMSNorm(x))       `DeltaProductLayer`
    x ← x + MLP(RMSNorm(x))         gated by SiLU

embedded symbols, such blocks, a norm, and a linear head. DeltaNet and Gated DeltaNet are the same
with one update a step.

Source: Siems, Carstensen, Zela, Hutter, Pontil & Grazzi 2025, "DeltaProduct: Improving
State-Tracking in Linear RNNs via Householder Products", arXiv 2502.10297.
Deviation: there is one set of defaults, where the paper's code has other ones for a layer than for
a model: two updates, both gates, β up to 2, values as large as keys. Of the paper's models that of
392 million parameters is here; of the others no more than the total size is known.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from ostinato.core.sequence import valid_steps
from ostinato.core.state import State
from ostinato.models.sequence_model import SequenceModel
from ostinato.models.time.delta_product_layer import (
    EPSILON,
    DeltaProductConfig,
    DeltaProductLayer,
)
from ostinato.models.time.gated_mlp import GatedMLP
from ostinato.models.time.language_model import LanguageModel
from ostinato.over.layer import Options, SequenceLayer
from ostinato.over.time import Stack

__papers__ = ("deltaproduct",)


class DeltaProductBlock(SequenceLayer):
    """The layer and a gated MLP, each behind a norm and beside what it reads.

    Args:
        config: the options.
        engine: of the recurrence; "auto" chooses.
        device: of the parameters.
        dtype: of the parameters.

    Shapes: x and output (B, T, D); the state is the layer's.
    """

    def __init__(
        self,
        config: DeltaProductConfig,
        engine: str = "auto",
        *,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        on: dict[str, Any] = {"device": device, "dtype": dtype}
        self.norm = nn.RMSNorm(config.width, EPSILON, **on)
        self.layer = DeltaProductLayer(config, engine, **on)
        self.mlp_norm = nn.RMSNorm(config.width, EPSILON, **on)
        self.mlp = GatedMLP(config.width, **on)

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


class DeltaProduct(LanguageModel):
    """The language model; called, streamed and sampled from as every `SequenceModel`.

        model = DeltaProduct(DeltaProductConfig(symbols=128, width=256, layers=4))
        logits, state = model(symbols)              # (B, T) to (B, T, 128)
        logits, state = model.step(symbol, state)   # one more step, whatever T was
        text = generate(model, prompt, 100)
        optimizer = torch.optim.AdamW(parameter_groups(model), 3e-4)    # models.weight_decay

    Args:
        config: its shape, e.g. `DeltaProductConfig.published("392M", num_householder=3)`.
        engine: of the recurrences; "auto" chooses.
        device: of the parameters.
        dtype: of the parameters.
    """

    def __init__(
        self,
        config: DeltaProductConfig,
        engine: str = "auto",
        *,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        on: dict[str, Any] = {"device": device, "dtype": dtype}
        blocks, norm = _blocks(config, engine, on), nn.RMSNorm(config.width, EPSILON, **on)
        super().__init__(config.symbols, config.width, blocks, config.tied, norm, **on)
        self.config = config
        _begin(self, config.std)


class DeltaProductClassifier(SequenceModel):
    """Symbols to classes, one for the whole sequence, or one at every step.

    Args:
        config: its shape.
        classes: how many.
        per_step: answer at every step; False: after the last.
        engine: of the recurrences; "auto" chooses.
        device: of the parameters.
        dtype: of the parameters.
    """

    def __init__(
        self,
        config: DeltaProductConfig,
        classes: int,
        *,
        per_step: bool = False,
        engine: str = "auto",
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        on: dict[str, Any] = {"device": device, "dtype": dtype}
        norm = nn.RMSNorm(config.width, EPSILON, **on)
        super().__init__(
            nn.Embedding(config.symbols, config.width, **on),
            Stack(_blocks(config, engine, on)),
            nn.Sequential(norm, nn.Linear(config.width, classes, False, **on)),
            per_step=per_step,
        )
        self.config = config
        _begin(self, config.std)


def _blocks(config: DeltaProductConfig, engine: str, on: dict[str, Any]) -> list[DeltaProductBlock]:
    return [DeltaProductBlock(config, engine, **on) for _ in range(config.layers)]


def _begin(model: nn.Module, std: float) -> None:
    for module in model.modules():
        if isinstance(module, nn.Linear | nn.Embedding):
            nn.init.normal_(module.weight, std=std)
