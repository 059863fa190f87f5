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

from typing import Any

import torch
from torch import nn

from ostinato.models.sequence_model import SequenceModel
from ostinato.models.time.delta_product_layer import (
    EPSILON,
    DeltaProductConfig,
    DeltaProductLayer,
)
from ostinato.models.time.gated_mlp import GatedMLP
from ostinato.models.time.language_model import LanguageModel
from ostinato.models.time.residual_block import ResidualBlock
from ostinato.over.time import Stack

__papers__ = ("deltaproduct",)


class DeltaProductBlock(ResidualBlock):
    """The layer and a gated MLP, each behind a norm and beside what it reads.

    Args:
        config: the options.
        engine: of the recurrence; "auto" chooses.
        device: of the parameters.
        dtype: of the parameters.

    Shapes: x and output (B, T, D); the state is the layer's.
    """

    layer: DeltaProductLayer

    def __init__(
        self,
        config: DeltaProductConfig,
        engine: str = "auto",
        *,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        on: dict[str, Any] = {"device": device, "dtype": dtype}
        super().__init__(
            DeltaProductLayer(config, engine, **on),
            GatedMLP(config.width, **on),
            lambda: nn.RMSNorm(config.width, EPSILON, **on),
        )


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
