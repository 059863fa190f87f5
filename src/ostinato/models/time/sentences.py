"""Which sentence of a text each word belongs to, counted from the end.

Models that attend to sentences read the same words, one a step, as those that recur over them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Sentences:
    """Where the words of a batch of texts stand; padding is in sentence −1.

    Attributes:
        number: (B, T) of the word's sentence: 0 for the last of the text, 1 for the one before.
        place: (B, T) of the word in its sentence, from 1.
        size: (B, T) words of its sentence.
    """

    number: Tensor
    place: Tensor
    size: Tensor


def sentences(symbols: Tensor, lengths: Tensor | None, stops: Sequence[int]) -> Sentences:
    """Divide texts behind each stop.

    Args:
        symbols: words (B, T).
        lengths: (B,) valid words of each row; None: all T.
        stops: the symbols that end a sentence. A text is taken to end in one.
    """
    steps = torch.arange(symbols.shape[1], device=symbols.device).expand_as(symbols)
    valid = torch.ones_like(symbols, dtype=torch.bool)
    if lengths is not None:
        valid = steps < lengths.to(symbols.device)[:, None]
    stop = torch.isin(symbols, symbols.new_tensor(list(stops))) & valid
    number = stop.flip(1).cumsum(1).flip(1) - 1
    begins = torch.nn.functional.pad(stop[:, :-1], (1, 0))
    place = steps - torch.where(begins, steps, 0).cummax(1).values + 1
    found = number.clamp_min(0)
    count = torch.zeros_like(symbols).scatter_add_(1, found, valid.long())
    return Sentences(number.masked_fill(~valid, -1), place, count.gather(1, found))
