"""FlashRNN: a language model whose mixing over time is a classical recurrence in heads.

    u = N(x)                                      layer norm
    v = SiLU(conv(u))                             kernel 4
    h = cell(W_i v, W_f v, W_z u, W_o u)          sLSTM, LSTM, GRU or Elman; all matrices in heads
    x ← x + HeadNorm(h)
    x ← x + MLP(N(x))                             gated by GELU, 4/3 as wide as x

embedded symbols, L such blocks, a norm, and a linear head. Only the cell mixes heads' units over
time, and only the MLP mixes heads.

Source: Pöppel, Beck & Hochreiter 2025, "FlashRNN: I/O-Aware Optimization of Traditional RNNs on
modern hardware", arXiv 2412.07752; the block is the sLSTM block of Beck et al. 2024, "xLSTM:
Extended Long Short-Term Memory", arXiv 2405.04517, and so is how the sLSTM's weights begin: forget
biases from 5 down to −7, a long memory in more units the later the layer; R = 0; small normal
matrices.
Deviation: the other cells stand in the same block: of the GRU r and z, of the Elman network its
only map read what was convolved. The LSTM's forget bias is 1. Embedding and head begin as in every
`LanguageModel` here. Of the paper's models no more than the total size is known here.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils import _pytree as pytree

from ostinato.cells import make_cell
from ostinato.cells.block_linear import BlockLinear
from ostinato.core.cell import Cell
from ostinato.core.errors import ArgumentError, nearest
from ostinato.models.time.causal_convolution import CausalConvolution
from ostinato.models.time.convolved_block import ConvolvedBlock, Inner
from ostinato.models.time.gated_mlp import GatedMLP
from ostinato.models.time.head_norm import HeadNorm
from ostinato.models.time.language_model import LanguageModel
from ostinato.over.time import RNN
from ostinato.wrap import Clamped, LearnedState, RecurrentGradient

__papers__ = ("flashrnn",)

READS = {"SLSTM": (2, 2), "LSTM": (2, 2), "GRU": (2, 1), "Elman": (1,)}
"""How many gates of a cell read what was convolved, and how many, behind them, what was not."""


@dataclass(frozen=True)
class FlashRNNConfig:
    """The shape of a FlashRNN language model.

    Attributes:
        symbols: how many symbols it reads and predicts.
        width: D, of every block and of its cell.
        layers: L, how many blocks.
        heads: K, of all matrices of the cells; a divisor of the width.
        cell: "SLSTM", "LSTM", "GRU" or "Elman".
        kernel: how many steps the convolution sees.
        projection: the MLP's width over D; rounded up to a multiple of 64.
        tied: predict with the transposed matrix of the embedding.
        gradient_clip: c: what R passes back in time is clipped to ±c, and what of it is not
            finite becomes 0; None: as it is.
        gradient_cut: whether R passes nothing back in time; R itself is trained all the same.
        state_clip: h is clipped to ±c after every step; None: as it is.
        initial: what the leaves of the state begin at, one number for each; empty: 0.
    """

    symbols: int = 50304
    width: int = 256
    layers: int = 4
    heads: int = 4
    cell: str = "SLSTM"
    kernel: int = 4
    projection: float = 4 / 3
    tied: bool = False
    gradient_clip: float | None = None
    gradient_cut: bool = False
    state_clip: float | None = None
    initial: Sequence[float] = ()

    @staticmethod
    def published(size: str, cell: str = "SLSTM") -> FlashRNNConfig:
        """A model of the paper.

        With the sLSTM and the LSTM it has 162.3 million parameters; with the GRU 148.2 and with
        the Elman network 119.8, whose cells have fewer gates in blocks of the same width.

        Args:
            size: "165M".
            cell: "SLSTM", "LSTM", "GRU" or "Elman".

        Raises:
            ArgumentError: if the paper has no such size.
        """
        if size not in PUBLISHED:
            raise ArgumentError(f"No size is called {size!r}. {nearest(size, PUBLISHED)}")
        return replace(PUBLISHED[size], cell=cell)


PUBLISHED = {"165M": FlashRNNConfig(width=768, layers=12, heads=1)}
"""By size: width and layers are those of the smallest GPT-2, which with one head and a cell of four
gates come within 2 % of it."""


class GateInput(nn.Module):
    """The input maps of a cell in heads: first gates of one input, the others of another.

    Args:
        width: D, of both inputs and of every gate.
        heads: K.
        reads: how many gates read each input.
        bias: of all gates, as the cell begins it.
        device: of the parameters.
        dtype: of the parameters.

    Shapes: a tuple of inputs (..., D) to (..., G·D).
    """

    def __init__(
        self,
        width: int,
        heads: int,
        reads: tuple[int, ...],
        bias: Tensor,
        *,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        on: dict[str, Any] = {"bias": False, "device": device, "dtype": dtype}
        self.maps = nn.ModuleList(BlockLinear(width, width, heads, gates, **on) for gates in reads)
        self.bias = bias

    def forward(self, inputs: tuple[Tensor, ...]) -> Tensor:
        """Inputs (..., D) to all gates (..., G·D)."""
        return (
            torch.cat([read(x) for read, x in zip(self.maps, inputs, strict=True)], -1) + self.bias
        )


class FlashRNNBlock(ConvolvedBlock):
    """A cell in heads behind a convolution, in place of attention, then a gated MLP.

    Args:
        config: the model's shape.
        depth: where the block stands among its model's, from 0, the first, to 1, the last.
        engine: of the recurrence; "auto" chooses.
        device: of the parameters.
        dtype: of the parameters.

    Shapes: as of every `ConvolvedBlock`.

    Raises:
        ArgumentError: if the model has no such cell, or an option of it is out of range.
    """

    def __init__(
        self,
        config: FlashRNNConfig,
        depth: float = 0.0,
        engine: str = "auto",
        *,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        if config.cell not in READS:
            raise ArgumentError(
                f"FlashRNN has no cell {config.cell!r}. {nearest(config.cell, READS)}"
            )
        on: dict[str, Any] = {"device": device, "dtype": dtype}
        width = config.width
        hidden = -(-int(config.projection * width) // 64) * 64
        self.inputs = len(READS[config.cell])
        self.norm = nn.LayerNorm(width, bias=False, **on)
        self.convolution = CausalConvolution(width, config.kernel, **on)
        self.recurrence = RNN(_cell(config, depth, on), engine)
        self.head_norm = HeadNorm(width, config.heads, **on)
        self.mlp_norm = nn.LayerNorm(width, bias=False, **on)
        self.mlp = GatedMLP(width, hidden, F.gelu, **on)
        small = math.sqrt(2 / (5 * width))
        for weight in (self.mlp.gate.weight, self.mlp.input.weight):
            nn.init.normal_(weight, std=small)
        nn.init.normal_(self.mlp.output.weight, std=2 / config.layers / math.sqrt(width))

    def mix(self, x: Tensor, convolve: Inner, recur: Inner) -> tuple[Any, ...]:
        """Compute the block; see `ConvolvedBlock.mix`."""
        u = self.norm(x)
        mixed, *pasts = convolve(u)
        h, *memories = recur((F.silu(mixed), u)[: self.inputs])
        x = x + self.head_norm(h)
        return (x + self.mlp(self.mlp_norm(x)), *zip(pasts, memories, strict=True))


def _cell(config: FlashRNNConfig, depth: float, on: dict[str, Any]) -> Cell:
    """The cell with input maps of its own, which begins as it does by itself but for these."""
    options = {"SLSTM": {"depth": depth}, "LSTM": {"forget_bias": 1.0}}.get(config.cell, {})
    cell = make_cell(config.cell, config.width, config.width, heads=config.heads, **options, **on)
    bias = cell.get_parameter("input.bias")
    gates = GateInput(config.width, config.heads, READS[config.cell], bias, **on)
    for weight in gates.maps.parameters():
        nn.init.normal_(weight, std=math.sqrt(2 / (5 * config.width)))
    cell.input = gates
    return _with_options(cell, config)


def _with_options(cell: Cell, config: FlashRNNConfig) -> Cell:
    """The cell with the options of its state and of its recurrent gradient."""
    if config.gradient_cut or config.gradient_clip is not None:
        cell = RecurrentGradient(cell, config.gradient_clip, config.gradient_cut, ["recur"])
    leaves, structure = pytree.tree_flatten(cell.initial_state(1))
    if config.state_clip is not None:
        others = [math.inf] * (len(leaves) - 1)
        cell = Clamped(cell, pytree.tree_unflatten([config.state_clip, *others], structure))
    if config.initial:
        if not isinstance(config.initial, Sequence) or len(config.initial) != len(leaves):
            raise ArgumentError(
                f"initial must be empty or list {len(leaves)} numbers, one for each leaf of the "
                f"state of {config.cell}; got {config.initial!r}."
            )
        cell = LearnedState(cell, pytree.tree_unflatten(list(config.initial), structure))
        cell.start.requires_grad_(False)
    return cell


class FlashRNN(LanguageModel):
    """The language model; called, streamed and sampled from as every `SequenceModel`.

        model = FlashRNN(FlashRNNConfig(symbols=128, width=256, layers=4, cell="LSTM"))
        logits, state = model(symbols)              # (B, T) to (B, T, 128)
        logits, state = model.step(symbol, state)   # one more step, whatever T was
        text = generate(model, prompt, 100)

    Args:
        config: its shape, e.g. `FlashRNNConfig.published("165M", "LSTM")`.
        engine: of the recurrences; "auto" chooses.
        device: of the parameters.
        dtype: of the parameters.
    """

    def __init__(
        self,
        config: FlashRNNConfig,
        engine: str = "auto",
        *,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        on: dict[str, Any] = {"device": device, "dtype": dtype}
        last = max(1, config.layers - 1)
        blocks = (FlashRNNBlock(config, k / last, engine, **on) for k in range(config.layers))
        super().__init__(config.symbols, config.width, blocks, config.tied, **on)
        self.config = config
