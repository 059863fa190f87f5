"""A language model of blocks: embedded symbols, the blocks, a norm, and a linear head."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import nn

from ostinato.core.errors import ArgumentError
from ostinato.models.sequence_model import SequenceModel
from ostinato.over.layer import SequenceLayer
from ostinato.over.time import Stack


class LanguageModel(SequenceModel):
    """Called, streamed and sampled from as every `SequenceModel`.

    Args:
        symbols: how many symbols it reads and predicts.
        width: D, of every block.
        blocks: the layers, lowest first.
        tied: predict with the transposed matrix of the embedding.
        norm: before the head; None: layer norm without shift.
        device: of the parameters.
        dtype: of the parameters.

    Raises:
        ArgumentError: if there are no symbols or no blocks.
    """

    def __init__(
        self,
        symbols: int,
        width: int,
        blocks: Iterable[SequenceLayer],
        tied: bool,
        norm: nn.Module | None = None,
        *,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        if symbols < 1:
            raise ArgumentError(f"A language model needs 1 symbol or more; got symbols={symbols}.")
        embedding = nn.Embedding(symbols, width, device=device, dtype=dtype)
        # a tied head gives logits of unit size
        nn.init.normal_(embedding.weight, std=width**-0.5)
        head = nn.Linear(width, symbols, False, device, dtype)
        if tied:
            head.weight = embedding.weight
        stack = Stack(blocks)
        norm = norm or nn.LayerNorm(width, bias=False, device=device, dtype=dtype)
        super().__init__(embedding, stack, nn.Sequential(norm, head))
