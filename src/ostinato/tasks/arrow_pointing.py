"""Arrow pointing: pictures of an arrow and a disc, black on white. Does the arrow point at it?

Scenes are drawn in pixels (`ArrowPointingTask.scale` times that many): a margin of 30, an arrow of
15 to 30 with two strokes of 1/2.5 of its length as its head, at ±0.5 rad, lines of 2 to 3, a disc
of radius 15 to 30 that is at least 2 r away along either axis. Larger pictures keep these sizes,
so that distances grow: trained on one size, a model is tested on another.

Source: Pöppel, Freinschlag, Schmied, Lin & Hochreiter 2025, "pLSTM: parallelizable Linear Source
Transition Mark networks", NeurIPS, arXiv 2506.11997.
Deviation: shapes are drawn from distances to them, smooth at their edges, by torch alone.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Generator, Tensor

from ostinato.core.errors import ArgumentError
from ostinato.tasks.arguments import require_at_least, require_one_of
from ostinato.tasks.arrow import Arrows, draw_arrows
from ostinato.tasks.generated import GeneratedTask
from ostinato.tasks.task import Batch, Symbols, Values

__papers__ = ("plstm",)

_MARGIN, _SMALLEST, _LARGEST, _HEAD, _SPREAD = 30, 15, 30, 2.5, 0.5


class ArrowPointingTask(GeneratedTask):
    """Pictures in [0, 1], and whether the arrow points at the disc.

    Guessing scores 0.5. The paper trains on 192 pixels and tests on 192 and 384.

    Args:
        side: S, pixels along each side.
        scale: of all shapes and of the margin, for smaller pictures.
        order: "rows", a sequence of S steps of S pixels, or "image", (B, S, S, 1) for models of
            images.
        seed: what all batches derive from.
        held_out_sequences: the size of the held-out set.

    Raises:
        ArgumentError: if the shapes do not fit into the picture, or there is no such order.
    """

    name = "arrow_pointing"
    outputs = Symbols(2)
    per_step = False
    metric = "accuracy"
    higher_is_better = True

    def __init__(
        self,
        side: int = 192,
        scale: float = 1.0,
        order: str = "rows",
        seed: int = 0,
        held_out_sequences: int = 5000,
    ) -> None:
        super().__init__(seed, held_out_sequences)
        require_at_least(0.01, scale=scale)
        require_one_of(("rows", "image"), order=order)
        least = scale * (2 * _MARGIN + 4 * _LARGEST)
        if side < least:
            raise ArgumentError(
                f"Shapes of scale {scale} need pictures of {least:g} pixels or more along a side; "
                f"got side={side}."
            )
        self.side, self.scale, self.order = side, scale, order
        self.inputs = Values(1 if order == "image" else side)

    def draw(self, generator: Generator, batch_size: int) -> Batch:
        """Pictures (B, S, S), or (B, S, S, 1) as images, and targets (B,)."""
        scene = self._scene(generator, batch_size)
        length = self._between(generator, batch_size, _SMALLEST, _LARGEST)
        width = self._between(generator, batch_size, 2, 3)
        way = _direction(scene.angle)
        half = way * length[:, None] / 2
        tail, tip = scene.arrow - half, scene.arrow + half
        strokes = [(tail, tip)]
        for turn in (-_SPREAD, _SPREAD):
            back = _direction(scene.angle + turn) * (length / _HEAD)[:, None]
            strokes.append((tip, tip - back))
        axis = torch.arange(self.side) + 0.5
        pixels = torch.stack(torch.meshgrid(axis, axis, indexing="ij"), -1).flatten(0, 1)
        edges = [_to_stroke(pixels, *ends) - width[:, None] / 2 for ends in strokes]
        edges.append(torch.cdist(scene.disc, pixels) - scene.radius[:, None])
        nearest = torch.stack(edges).amin(0)
        white = (nearest + 0.5).clamp(0, 1).view(batch_size, self.side, self.side)
        return Batch(white.unsqueeze(-1) if self.order == "image" else white, scene.label)

    def describe(self) -> dict[str, Any]:
        """The seed, the sizes, the order and what guessing scores."""
        sizes = {"side": self.side, "scale": self.scale, "order": self.order}
        return {"seed": self.seed, **sizes, "guessing": {"accuracy": 0.5}}

    def _scene(self, generator: Generator, count: int) -> Arrows:
        margin = self.scale * _MARGIN
        room = self.side - 2 * margin
        arrow = room * torch.rand(count, 2, generator=generator)
        radius = self._between(generator, count, _SMALLEST, _LARGEST)
        far = 2 * radius[:, None]
        # Around the edges of the room and back in, so that neither place is more likely.
        away = far + (room - 2 * far) * torch.rand(count, 2, generator=generator)
        return draw_arrows(margin + arrow, margin + (arrow + away) % room, radius, generator)

    def _between(self, generator: Generator, count: int, least: float, most: float) -> Tensor:
        return self.scale * (least + (most - least) * torch.rand(count, generator=generator))


def _direction(angle: Tensor) -> Tensor:
    return torch.stack([angle.cos(), angle.sin()], -1)


def _to_stroke(pixels: Tensor, begin: Tensor, end: Tensor) -> Tensor:
    """Distances (B, P) of pixels (P, 2) from the straight lines between two places (B, 2)."""
    along = (end - begin)[:, None]
    away = pixels - begin[:, None]
    share = ((away * along).sum(-1) / along.square().sum(-1)).clamp(0, 1)
    distance: Tensor = (away - share[..., None] * along).norm(dim=-1)
    return distance
