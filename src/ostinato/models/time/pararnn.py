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

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ostinato.cells import make_cell
from ostinato.core.errors import ArgumentError, nearest
from ostinato.core.sequence import valid_steps
from ostinato.core.state import State
from ostinato.models.sequence_model import SequenceModel
from ostinato.models.time.causal_convolution import CausalConvolution
from ostinato.models.time.gated_mlp import GatedMLP
from ostinato.over.layer import Options, SequenceLayer
from ostinato.over.time import RNN, Stack

__papers__ = ("pararnn",)


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
        kernel: how many steps the convolution sees.
        tied: predict with the transposed matrix of the embedding.
    """

    symbols: int = 50432
    width: int = 256
    layers: int = 4
    heads: int = 4
    cell: str = "ParaGRU"
    clip: float | None = 0.5
    kernel: int = 4
    tied: bool = False

    @staticmethod
    def published(size: str, cell: str = "ParaGRU") -> ParaRNNConfig:
        """A model of the paper.

        Args:
            size: "400M", "1B", "2.9B" or "7B".
            cell: "ParaGRU" or "ParaLSTM".

        Raises:
            ArgumentError: if the paper has no such size.
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


class ParaRNNBlock(SequenceLayer):
    """Convolution, recurrence and gate in place of attention, then a gated MLP.

    Args:
        config: the model's shape.
        engine: of the recurrence; "auto" chooses.
        device: of the parameters.
        dtype: of the parameters.

    Shapes: x and output (B, T, D); the state is the pair of the convolution's (B, kernel−1, D)
    and the cell's.
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
        options = {"heads": config.heads, "clip": config.clip, **on}
        self.norm = nn.LayerNorm(width, bias=False, **on)
        self.input = nn.Linear(width, width, False, **on)
        self.gate = nn.Linear(width, width, False, **on)
        self.convolution = CausalConvolution(width, config.kernel, **on)
        self.recurrence = RNN(make_cell(config.cell, width, width, **options), engine)
        self.gated_norm = nn.RMSNorm(width, eps=1e-5, **on)
        self.output = nn.Linear(width, width, False, **on)
        self.scale = nn.Parameter(torch.ones(width, **on))
        self.mlp = nn.Sequential(nn.LayerNorm(width, bias=False, **on), GatedMLP(width, **on))

    def initial_state(self, batch_size: int) -> State:
        """The pair of initial states, leaves (batch_size, ...)."""
        layers = (self.convolution, self.recurrence)
        return tuple(layer.initial_state(batch_size) for layer in layers)

    def run(self, x: Tensor, state: State | None, options: Options) -> tuple[Any, ...]:
        """Run over x (B, T, D); returns outputs, state[, states]."""
        if options.lengths is not None:
            lengths = torch.as_tensor(options.lengths, device=x.device)
            # zeros stay zero all through the block, since only the convolution has a bias
            x = x.masked_fill(~valid_steps(lengths, *x.shape[:2]).T[..., None], 0)
        past, memory = (None, None) if state is None else state
        return self._block(
            x,
            lambda u: self.convolution.run(u, past, options),
            lambda u: self.recurrence.run(u, memory, options),
        )

    def step(
        self, x: Tensor, state: State | None = None, noise: State | None = None
    ) -> tuple[Any, State]:
        """Run one step of a stream; see `SequenceLayer.step`."""
        past, memory = (None, None) if state is None else state
        y, new = self._block(
            x,
            lambda u: self.convolution.step(u, past),
            lambda u: self.recurrence.step(u, memory),
        )
        return y, new

    def _block(
        self,
        x: Tensor,
        convolve: Callable[[Tensor], tuple[Any, ...]],
        recur: Callable[[Tensor], tuple[Any, ...]],
    ) -> tuple[Any, ...]:
        u = self.norm(x)
        mixed, *pasts = convolve(self.input(u))
        h, *memories = recur(F.silu(mixed))
        x = self.scale * x + self.output(self.gated_norm(h * F.silu(self.gate(u))))
        return (x + self.mlp(x), *zip(pasts, memories, strict=True))


class ParaRNN(SequenceModel):
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
        embedding = nn.Embedding(config.symbols, config.width, **on)
        # a tied head gives logits of unit size
        nn.init.normal_(embedding.weight, std=config.width**-0.5)
        head = nn.Linear(config.width, config.symbols, False, **on)
        if config.tied:
            head.weight = embedding.weight
        blocks = [ParaRNNBlock(config, engine, **on) for _ in range(config.layers)]
        norm = nn.LayerNorm(config.width, bias=False, **on)
        super().__init__(embedding, Stack(blocks), nn.Sequential(norm, head))
        self.config = config
