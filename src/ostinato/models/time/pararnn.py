"""ParaRNN: a language model whose mixing over time is a nonlinear recurrence.

    u = N(x)                                      layer norm
    h = cell(SiLU(conv(W_in u)))                  ParaGRU or ParaLSTM in heads, kernel 4
    x ← s ⊙ x + W_out RMSNorm(h ⊙ SiLU(W_gate u)) s learned, 1 at the beginning
    x ← x + MLP(N(x))                             gated

embedded symbols, L such blocks, a norm, and a linear head.

Source: Danieli, Rodríguez, Sarabia, Suau & Zappella 2025, "ParaRNN: Unlocking Parallel Training
of Nonlinear RNNs for Large Language Models", arXiv 2510.21450 (figure 9).
Deviation: the paper names layers, heads and total sizes, and the backbone of DataComp-LM (Li et
al. 2024, arXiv 2406.11794). Widths, vocabulary, the MLP's width, untied embeddings and norms
without shift are that backbone's. SiLU after the convolution and on the gate, the gate before
the norm, are Mamba-2's (Dao & Gu 2024, arXiv 2405.21060), since the figure does not tell.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ostinato.cells import make_cell
from ostinato.cells.para_diagonal import check
from ostinato.core.errors import ArgumentError, nearest
from ostinato.models.time.causal_convolution import CausalConvolution
from ostinato.models.time.convolved_block import ConvolvedBlock, Inner
from ostinato.models.time.gated_mlp import GatedMLP
from ostinato.models.time.language_model import LanguageModel
from ostinato.over.time import RNN

__papers__ = ("pararnn",)


CELLS = ("ParaGRU", "ParaLSTM")
"""The cells that the model has."""


@dataclass(frozen=True)
class ParaRNNConfig:
    """The shape of a ParaRNN language model.

    Attributes:
        symbols: how many symbols it reads and predicts.
        width: D, of every block and of its cell.
        layers: L, how many blocks.
        heads: K, of the cells' input maps; a divisor of the width.
        cell: "ParaGRU" or "ParaLSTM".
        clip: bound of the cells' recurrent weights; None: no bound.
        initial: how the cells' parameters begin: "paper" or "released".
        kernel: how many steps the convolution sees.
        tied: predict with the transposed matrix of the embedding.

    Raises:
        ArgumentError: if the model has no such cell or beginning, or `clip` is not positive.
    """

    symbols: int = 50432
    width: int = 256
    layers: int = 4
    heads: int = 4
    cell: str = "ParaGRU"
    clip: float | None = 0.5
    initial: str = "paper"
    kernel: int = 4
    tied: bool = False

    def __post_init__(self) -> None:
        if self.cell not in CELLS:
            raise ArgumentError(f"ParaRNN has no cell {self.cell!r}. {nearest(self.cell, CELLS)}")
        check(self.clip, self.initial)

    @staticmethod
    def published(size: str, cell: str = "ParaGRU") -> ParaRNNConfig:
        """A model of the paper.

        Args:
            size: "400M", "1B", "2.9B" or "7B".
            cell: "ParaGRU" or "ParaLSTM".

        Raises:
            ArgumentError: if the paper has no such size, or the model no such cell.
        """
        if size not in PUBLISHED:
            raise ArgumentError(f"No size is called {size!r}. {nearest(size, PUBLISHED)}")
        return replace(PUBLISHED[size], cell=cell)


PUBLISHED = {
    "400M": ParaRNNConfig(width=1024, layers=24, heads=4),
    "1B": ParaRNNConfig(width=2048, layers=24, heads=4),
    "2.9B": ParaRNNConfig(width=2560, layers=32, heads=2),
    "7B": ParaRNNConfig(width=4096, layers=32, heads=4),
}
"""The models of the paper, by its names for their sizes."""


class ParaRNNBlock(ConvolvedBlock):
    """Convolution, recurrence and gate in place of attention, then a gated MLP.

    Args:
        config: the model's shape.
        engine: of the recurrence; "auto" chooses.
        device: of the parameters.
        dtype: of the parameters.

    Shapes: as of every `ConvolvedBlock`.
    """

    def __init__(
        self,
        config: ParaRNNConfig,
        engine: str = "auto",
        *,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        on: dict[str, Any] = {"device": device, "dtype": dtype}
        width = config.width
        options = {"heads": config.heads, "clip": config.clip, "initial": config.initial, **on}
        self.norm = nn.LayerNorm(width, bias=False, **on)
        self.input = nn.Linear(width, width, False, **on)
        self.gate = nn.Linear(width, width, False, **on)
        self.convolution = CausalConvolution(width, config.kernel, **on)
        self.recurrence = RNN(make_cell(config.cell, width, width, **options), engine)
        self.gated_norm = nn.RMSNorm(width, eps=1e-5, **on)
        self.output = nn.Linear(width, width, False, **on)
        self.scale = nn.Parameter(torch.ones(width, **on))
        self.mlp = nn.Sequential(nn.LayerNorm(width, bias=False, **on), GatedMLP(width, **on))

    def mix(self, x: Tensor, convolve: Inner, recur: Inner) -> tuple[Any, ...]:
        """Compute the block; see `ConvolvedBlock.mix`."""
        u = self.norm(x)
        mixed, *pasts = convolve(self.input(u))
        h, *memories = recur(F.silu(mixed))
        x = self.scale * x + self.output(self.gated_norm(h * F.silu(self.gate(u))))
        return (x + self.mlp(x), *zip(pasts, memories, strict=True))


class ParaRNN(LanguageModel):
    """The language model; called, streamed and sampled from as every `SequenceModel`.

        model = ParaRNN(ParaRNNConfig(symbols=128, width=256, layers=4))
        logits, state = model(symbols)              # (B, T) to (B, T, 128)
        logits, state = model.step(symbol, state)   # one more step, whatever T was
        text = generate(model, prompt, 100)

    Args:
        config: its shape, e.g. `ParaRNNConfig.published("2.9B", "ParaLSTM")`.
        engine: of the recurrences; "auto" chooses.
        device: of the parameters.
        dtype: of the parameters.
    """

    def __init__(
        self,
        config: ParaRNNConfig,
        engine: str = "auto",
        *,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        on: dict[str, Any] = {"device": device, "dtype": dtype}
        blocks = (ParaRNNBlock(config, engine, **on) for _ in range(config.layers))
        super().__init__(config.symbols, config.width, blocks, config.tied, **on)
        self.config = config
