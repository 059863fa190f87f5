"""The nets of the experiment on ParaRNN: diagonal recurrence, or none, trained on a task."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from ostinato.cells import make_cell
from ostinato.cells.para_lstm import ParaLSTMCell
from ostinato.core.cell import Cell
from ostinato.models.sequence_model import SequenceModel
from ostinato.models.time.pararnn import ParaRNN, ParaRNNConfig
from ostinato.over.time import RNN

DIAGONALS = ("recur", "peepholes")
"""The recurrent weights of the cells, by name."""


def without_recurrent_weights(model: nn.Module) -> None:
    """Hold every a and p at 0: what is left is a linear recurrence with gates of the input."""
    for name, parameter in model.named_parameters():
        if name.rpartition(".")[2] in DIAGONALS:
            nn.init.zeros_(parameter)
            parameter.requires_grad_(False)


def parity_net(cell: str, width: int = 32) -> SequenceModel:
    """A cell alone, without a bound on a ~ N(0, 1/4), the rest as in `nn.Linear`."""
    recurrence = RNN(make_cell(cell, width, width, clip=None))
    for name, parameter in recurrence.cell.named_parameters():
        if name in DIAGONALS:
            nn.init.normal_(parameter, std=0.5)
        else:
            nn.init.uniform_(parameter, -(width**-0.5), width**-0.5)
    return SequenceModel(nn.Embedding(2, width), recurrence, nn.Linear(width, 2))


class Positions(nn.Module):
    """Symbols (B, T) embedded, plus sines and cosines of their place, of periods 2π to 2π·10⁴."""

    code: Tensor

    def __init__(self, symbols: int, steps: int, width: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(symbols, width)
        frequency = torch.exp(-math.log(1e4) * torch.arange(0, width, 2) / width)
        angle = torch.arange(steps)[:, None] * frequency
        self.register_buffer("code", torch.cat([angle.sin(), angle.cos()], 1))

    def forward(self, symbols: Tensor) -> Tensor:
        """(B, T) to (B, T, width)."""
        embedded: Tensor = self.embedding(symbols) + self.code
        return embedded


def placed_net(cell: str, symbols: int, steps: int, width: int = 64) -> SequenceModel:
    """A cell alone, which reads symbols and their places, and answers after the last one."""
    made = make_cell(cell, width, width, heads=4, clip=0.9)
    begin_remembering(made)
    encoder, head = Positions(symbols, steps, width), nn.Linear(width, symbols)
    return SequenceModel(encoder, RNN(made), head, per_step=False)


def recall_net(cell: str, symbols: int, width: int, layers: int) -> ParaRNN:
    """The paper's language model, small, with its bound and a beginning for synthetic tasks."""
    options = {"symbols": symbols, "width": width, "layers": layers, "heads": 4}
    net = ParaRNN(ParaRNNConfig(**options, cell=cell, clip=0.9))  # type: ignore[arg-type]
    for module in net.modules():
        if isinstance(module, Cell):
            begin_remembering(module)
    return net


@torch.no_grad()
def begin_remembering(cell: Cell) -> None:
    """Let the new in by 1/2 to 1/50, so that some units remember as far as a sequence reaches."""
    bias, width = cell.get_parameter("input.bias"), cell.get_parameter("recur").shape[-1]
    far = torch.linspace(0, 4, width)
    # f, the first gate of ParaLSTM, keeps the old; z, the second one of ParaGRU, lets the new in.
    if isinstance(cell, ParaLSTMCell):
        bias[:width] = far
    else:
        bias[width : 2 * width] = -far


def language_net(cell: str, symbols: int, width: int, layers: int) -> ParaRNN:
    """The paper's language model, small."""
    return ParaRNN(ParaRNNConfig(symbols=symbols, width=width, layers=layers, heads=4, cell=cell))
