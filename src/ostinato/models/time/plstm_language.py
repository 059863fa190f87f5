"""pLSTM as a language model: blocks of `LinePLSTM` and an MLP, stacked.

    x ← x + LinePLSTM(RMSNorm(x))
    x ← x + W_2 GELU(W_1 RMSNorm(x))              4 times as wide between

embedded symbols, such blocks, a norm, and a linear head.

Source: Pöppel, Freinschlag, Schmied, Lin & Hochreiter 2025, "pLSTM: parallelizable Linear Source
Transition Mark networks", NeurIPS, arXiv 2506.11997.
Deviation: the paper stacks these blocks over images and graphs and has no language model; this is
its block over a sequence, whose MLP has no biases, so that padding stays zero.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from ostinato.core.errors import ArgumentError
from ostinato.models.time.language_model import LanguageModel
from ostinato.models.time.plstm import LinePLSTM
from ostinato.models.time.residual_block import ResidualBlock
from ostinato.models.tracking import Tracking

__papers__ = ("plstm",)

_COUNTS = ("symbols", "width", "layers", "heads", "block", "projection")


@dataclass(frozen=True)
class PLSTMConfig:
    """The shape of a pLSTM language model, and the options of its layers.

    Attributes:
        symbols: how many symbols it reads and predicts.
        width: D, of every block.
        layers: how many blocks.
        heads: a divisor of D.
        states: J of a head, as its keys, values, queries and outputs see `Tracking`.
        keys: of a head at a step.
        values: of a head at a step.
        queries: of a head at a step.
        outputs: of a head at a step.
        transition: form of T, see `LinePLSTM`.
        block: how many steps are computed together, a power of two.
        tied_keys: let queries be the keys.
        scale: of the queries; None: K^{−1/2}.
        weights: let gates depend on the input; False: biases only.
        kernel: how many steps a convolution of the gates' inputs sees; None: no convolution.
        block_diagonal: let the gates of a head read its own D/heads features only.
        projection: the MLP's width over D.
        tied: predict with the transposed matrix of the embedding.

    Raises:
        ArgumentError: if a count is below 1, or the heads do not divide D.
    """

    symbols: int = 32000
    width: int = 256
    layers: int = 4
    heads: int = 4
    states: int = 1
    keys: int = 1
    values: int = 1
    queries: int = 1
    outputs: int = 1
    transition: str = "diagonal"
    block: int = 64
    tied_keys: bool = False
    scale: float | None = None
    weights: bool = True
    kernel: int | None = None
    block_diagonal: bool = False
    projection: int = 4
    tied: bool = False

    @property
    def tracking(self) -> Tracking:
        """Its sizes of a head."""
        return Tracking(self.states, self.keys, self.values, self.queries, self.outputs)

    def __post_init__(self) -> None:
        for name in _COUNTS:
            if getattr(self, name) < 1:
                raise ArgumentError(f"{name} must be at least 1; got {getattr(self, name)}.")
        if self.width % self.heads:
            raise ArgumentError(
                f"heads must divide the width {self.width}; got heads={self.heads}."
            )

    @staticmethod
    def published(size: str) -> PLSTMConfig:
        """The paper has no language model.

        Args:
            size: any.

        Raises:
            ArgumentError: always.
        """
        raise ArgumentError(
            f"The paper has no pLSTM of symbols, so none of size {size!r}; give width, layers and "
            "heads."
        )


class PLSTMBlock(ResidualBlock):
    """The layer and an MLP, each behind a norm and beside what it reads.

    Args:
        config: the options.
        device: of the parameters.
        dtype: of the parameters.

    Shapes: x and output (B, T, D); the state is the layer's.
    """

    def __init__(
        self,
        config: PLSTMConfig,
        *,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        on: dict[str, Any] = {"device": device, "dtype": dtype}
        width, inside = config.width, config.projection * config.width
        layer = LinePLSTM(
            width,
            config.heads,
            config.tracking,
            config.transition,
            config.block,
            tied=config.tied_keys,
            scale=config.scale,
            weights=config.weights,
            kernel=config.kernel,
            block_diagonal=config.block_diagonal,
            **on,
        )
        mlp = nn.Sequential(
            nn.Linear(width, inside, False, **on), nn.GELU(), nn.Linear(inside, width, False, **on)
        )
        super().__init__(layer, mlp, lambda: nn.RMSNorm(width, 1e-5, **on))


class PLSTM(LanguageModel):
    """The language model; called, streamed and sampled from as every `SequenceModel`.

        model = PLSTM(PLSTMConfig(symbols=128, states=2, transition="householder"))
        logits, state = model(symbols)              # (B, T) to (B, T, 128)
        logits, state = model.step(symbol, state)   # one more step, whatever T was
        text = generate(model, prompt, 100)

    Args:
        config: its shape.
        engine: "auto"; its layers run in blocks of their own, not in an engine.
        device: of the parameters.
        dtype: of the parameters.

    Raises:
        ArgumentError: if another engine is asked for.
    """

    def __init__(
        self,
        config: PLSTMConfig,
        engine: str = "auto",
        *,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        if engine != "auto":
            raise ArgumentError(
                f"pLSTM runs in blocks of its own, in no engine; got engine={engine!r}. Leave it "
                "out, or give 'auto'."
            )
        on: dict[str, Any] = {"device": device, "dtype": dtype}
        blocks = [PLSTMBlock(config, **on) for _ in range(config.layers)]
        norm = nn.RMSNorm(config.width, 1e-5, **on)
        super().__init__(config.symbols, config.width, blocks, config.tied, norm, **on)
        self.config = config
