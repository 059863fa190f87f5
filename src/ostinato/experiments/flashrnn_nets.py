"""The nets of the experiment on FlashRNN: cells in heads, with and without R, and a transformer."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from ostinato.cells import make_cell
from ostinato.experiments.pararnn_nets import Positions
from ostinato.models.sequence_model import SequenceModel
from ostinato.over.time import RNN

CELLS = ("Elman", "LSTM", "GRU", "SLSTM")
OPTIONS: dict[str, dict[str, Any]] = {"LSTM": {"forget_bias": 1.0}}


def without_memory_mixing(model: nn.Module) -> None:
    """Hold every R at 0: gates see the input only, and c is a linear recurrence."""
    for name, parameter in model.named_parameters():
        if "recur." in name:
            nn.init.zeros_(parameter)
            parameter.requires_grad_(False)


def parity_net(cell: str, width: int = 32, heads: int = 4) -> SequenceModel:
    """A cell in heads alone, between an embedding of bits and a linear head."""
    made = make_cell(cell, width, width, heads=heads, **OPTIONS.get(cell, {}))
    return SequenceModel(nn.Embedding(2, width), RNN(made), nn.Linear(width, 2))


class Transformer(nn.Module):
    """Two blocks of causal attention over bits and the code of their places.

    Called as a `SequenceModel` is, though it has no state to carry.

    Args:
        steps: the longest sequence.
        width: D.
        heads: of the attention.
    """

    def __init__(self, steps: int, width: int = 32, heads: int = 4) -> None:
        super().__init__()
        block = nn.TransformerEncoderLayer(
            width, heads, 4 * width, 0.0, batch_first=True, norm_first=True
        )
        self.encoder = Positions(2, steps, width)
        self.blocks = nn.TransformerEncoder(block, 2, enable_nested_tensor=False)
        self.head = nn.Linear(width, 2)

    def forward(
        self, symbols: Tensor, state: None = None, *masks: Any, **options: Any
    ) -> tuple[Tensor, None]:
        """(B, T) to (B, T, 2)."""
        steps = symbols.shape[1]
        mask = nn.Transformer.generate_square_subsequent_mask(steps, device=symbols.device)
        code = self.encoder.embedding(symbols) + self.encoder.code[:steps]
        return self.head(self.blocks(code, mask, is_causal=True)), None
