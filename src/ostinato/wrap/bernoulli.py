"""Bernoulli masks for whole sequences, and dropping by them."""

from __future__ import annotations

import torch
from torch import Generator, Tensor


def fresh_masks(
    probability: float, like: Tensor, steps: int, generator: Generator | None
) -> Tensor:
    """A new mask for every step.

    Args:
        probability: of being true.
        like: what the mask of one step is for (B, ...).
        steps: T.
        generator: where randomness comes from.

    Returns:
        (T, B, ...) bool: independent of the dtype of `like`, and a quarter of float32.
    """
    masks = torch.empty((steps, *like.shape), dtype=torch.bool, device=like.device)
    return masks.bernoulli_(probability, generator=generator)


def constant_mask(
    probability: float, like: Tensor, steps: int, generator: Generator | None
) -> Tensor:
    """One mask for all steps, (T, B, ...) bool as a view of (B, ...): its memory does not grow."""
    return fresh_masks(probability, like, 1, generator).expand(steps, *like.shape)


def drop(leaf: Tensor, kept: Tensor | None, rate: float) -> Tensor:
    """Zero what is not kept and scale the rest by 1/(1 − rate); without a mask, the mean: as is."""
    return leaf if kept is None else torch.where(kept, leaf / (1 - rate), 0)
