"""Arrows that point at a disc, or miss it: the geometry of the arrow-pointing task.

The angle that a disc of radius r at distance d fills, seen from the arrow, is 2 arcsin(r/d). The
label is drawn first; positives point into the angle of a disc of r/1.2, negatives anywhere out of
that of 1.2 r, so that no picture lies on the border.

Source: Pöppel, Freinschlag, Schmied, Lin & Hochreiter 2025, "pLSTM: parallelizable Linear Source
Transition Mark networks", NeurIPS, arXiv 2506.11997.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

__papers__ = ("plstm",)

MARGIN = 1.2
"""By how much the disc is smaller for positives and larger for negatives."""


@dataclass(frozen=True)
class Arrows:
    """A batch of scenes.

    Attributes:
        arrow: centres of the arrows (B, 2).
        disc: centres of the discs (B, 2).
        radius: of the discs (B,).
        angle: where the arrows point, from the first axis to the second (B,).
        label: whether they point at the disc (B,) int64.
    """

    arrow: Tensor
    disc: Tensor
    radius: Tensor
    angle: Tensor
    label: Tensor


def draw_arrows(arrow: Tensor, disc: Tensor, radius: Tensor, generator: Generator) -> Arrows:
    """Draw labels and angles for given places.

    Args:
        arrow: (B, 2).
        disc: (B, 2), farther away than 1.2 r.
        radius: r (B,).
        generator: source of randomness.
    """
    label = torch.randint(2, (len(arrow),), generator=generator)
    away = disc - arrow
    reach = radius * torch.where(label == 1, 1 / MARGIN, MARGIN)
    half = torch.asin((reach / away.norm(dim=-1)).clamp(max=1))
    u = torch.rand(len(arrow), generator=generator)
    hit = half * (2 * u - 1)
    miss = half + u * 2 * (math.pi - half)
    angle = torch.atan2(away[:, 1], away[:, 0]) + torch.where(label == 1, hit, miss)
    return Arrows(arrow, disc, radius, angle, label)
