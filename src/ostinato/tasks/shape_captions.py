"""Scenes of two coloured shapes, with a sentence about each: captioning without a download.

A scene is an image of 16 × 16 pixels in three colours; the sentence names the left or the upper
shape first: "red circle left of blue square". There are 3 colours, 3 shapes and 2 relations, so
162 sentences.
"""

from __future__ import annotations

import torch
from torch import Generator, Tensor

COLOURS = ("red", "green", "blue")
SHAPES = ("circle", "square", "cross")
RELATIONS = ("left of", "above")
WORDS = ("<begin>", "<end>", *COLOURS, *SHAPES, *RELATIONS)
BEGIN, END = 0, 1
LENGTH = 6
"""Words of every sentence, with the one that ends it."""
_SIDE = 5


def draw_scenes(generator: Generator, batch_size: int) -> tuple[Tensor, Tensor]:
    """Images (B, 3, 16, 16) in [0, 1] with some noise, and sentences (B, 6) in `WORDS`.

    Args:
        generator: what they are drawn from.
        batch_size: B.
    """
    colours = torch.randint(3, (batch_size, 2), generator=generator)
    shapes = torch.randint(3, (batch_size, 2), generator=generator)
    relation = torch.randint(2, (batch_size,), generator=generator)
    images = torch.rand(batch_size, 3, 16, 16, generator=generator) * 0.2
    # Along the axis of the relation one lies in each half, across it anywhere.
    along = torch.randint(3, (batch_size, 2), generator=generator) + torch.tensor([0, 9])
    across = torch.randint(12, (batch_size, 2), generator=generator)
    upright = relation == RELATIONS.index("above")
    top = torch.where(upright[:, None], along, across)
    left = torch.where(upright[:, None], across, along)
    rows = torch.arange(batch_size)[:, None, None]
    square = torch.arange(_SIDE)
    for each in range(2):
        y = top[:, each, None, None] + square[:, None]
        x = left[:, each, None, None] + square
        mask = _masks()[shapes[:, each]]
        colour = colours[:, each, None, None]
        images[rows, colour, y, x] = torch.maximum(images[rows, colour, y, x], mask)
    words = [2 + colours[:, 0], 5 + shapes[:, 0], 8 + relation, 2 + colours[:, 1], 5 + shapes[:, 1]]
    return images, torch.stack([*words, torch.full_like(relation, END)], 1)


def sentence(words: Tensor | list[int]) -> str:
    """In words, up to the one that ends it."""
    named = [WORDS[int(word)] for word in words]
    return " ".join(named[: named.index("<end>")] if "<end>" in named else named)


def _masks() -> Tensor:
    """What each shape covers (3, 5, 5)."""
    offset = (torch.arange(_SIDE) - _SIDE // 2).abs()
    y, x = offset[:, None], offset
    circle, cross = y + x <= 2, (y == x)
    return torch.stack([circle, torch.ones_like(circle), cross]).float()
