"""Arrow pointing on a small grid of features, so that minutes on a CPU are enough.

Four channels for every cell: a Gaussian blob (σ = ½ cell) at the arrow's place, the blob times
cos φ and times sin φ, and a soft disc σ(2 (r − distance)) of r = 0.9 cells. The two are at least
0.35 n cells apart. On a larger grid distances grow and sizes stay, as in the paper's images.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Generator, Tensor

from ostinato.tasks.arguments import require_at_least
from ostinato.tasks.arrow import draw_arrows
from ostinato.tasks.generated import GeneratedTask
from ostinato.tasks.task import Batch, Symbols, Values

__papers__ = ("plstm",)

_RADIUS, _BLOB, _APART = 0.9, 0.5, 0.35


class SymbolicArrowsTask(GeneratedTask):
    """Does the arrow point at the disc? Guessing scores 0.5.

    Its inputs are grids, for models of images: it is not among the tasks of sequence models.

    Args:
        side: n, cells along each side of the grid.
        seed: what all batches derive from.
        held_out_sequences: the size of the held-out set.
    """

    name = "symbolic_arrows"
    inputs, outputs = Values(4), Symbols(2)
    per_step = False
    metric = "accuracy"
    higher_is_better = True

    def __init__(self, side: int = 8, seed: int = 0, held_out_sequences: int = 2000) -> None:
        super().__init__(seed, held_out_sequences)
        require_at_least(4, side=side)
        self.side = side

    def draw(self, generator: Generator, batch_size: int) -> Batch:
        """Inputs (B, n, n, 4) and targets (B,)."""
        arrow, disc = self._places(generator, batch_size)
        radius = torch.full((batch_size,), _RADIUS)
        scene = draw_arrows(arrow, disc, radius, generator)
        axis = torch.arange(self.side, dtype=arrow.dtype)
        cells = torch.stack(torch.meshgrid(axis, axis, indexing="ij"), -1)  # (n, n, 2)
        blob = torch.exp(-_squared(cells, scene.arrow) / (2 * _BLOB**2))
        field = torch.sigmoid(2 * (_RADIUS - _squared(cells, scene.disc).sqrt()))
        cos, sin = (each[:, None, None] for each in (scene.angle.cos(), scene.angle.sin()))
        return Batch(torch.stack([blob, blob * cos, blob * sin, field], -1), scene.label)

    def describe(self) -> dict[str, Any]:
        """The seed, the size and what guessing scores."""
        return {"seed": self.seed, "side": self.side, "guessing": {"accuracy": 0.5}}

    def _places(self, generator: Generator, count: int) -> tuple[Tensor, Tensor]:
        """Places that are far enough from each other, (B, 2) each, the rest drawn again."""
        places = torch.empty(count, 2, 2)
        near = torch.ones(count, dtype=torch.bool)
        while near.any():
            places[near] = torch.rand(int(near.sum()), 2, 2, generator=generator) * (self.side - 1)
            near = (places[:, 0] - places[:, 1]).norm(dim=-1) <= _APART * self.side
        return places[:, 0], places[:, 1]


def _squared(cells: Tensor, places: Tensor) -> Tensor:
    """Squared distances (B, n, n) of cells (n, n, 2) from places (B, 2)."""
    return (cells - places[:, None, None]).square().sum(-1)
