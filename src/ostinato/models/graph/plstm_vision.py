"""pLSTM-Vis: blocks of pLSTM in P-mode and in D-mode in turn, over the patches of an image.

Source: Pöppel, Freinschlag, Schmied, Lin & Hochreiter 2025, "pLSTM: parallelizable Linear Source
Transition Mark networks", NeurIPS, arXiv 2506.11997.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn

from ostinato.core.errors import ArgumentError, nearest
from ostinato.models.graph.plstm_gates import GateOptions
from ostinato.models.graph.plstm_grid import GridPLSTM
from ostinato.models.graph.vision import PatchEmbedding, TokenBlock, VisionModel
from ostinato.models.time.stable_transition import transition_numbers
from ostinato.models.tracking import Tracking

__papers__ = ("plstm",)


@dataclass(frozen=True)
class PLSTMVisionConfig:
    """The shape of a pLSTM-Vis.

    Attributes:
        channels: of an image.
        classes: how many answers.
        image: pixels along x and y that position embeddings are learned for.
        positions: whether there are position embeddings.
        patch: pixels along the sides of a patch.
        width: D.
        heads: a divisor of D.
        modes: the mode of every layer in turn.
        gates: how gates are computed; None: as in the paper. Layers of two modes read of it what
            is theirs.
        orientations: from how many corners.
        tied: let queries be the keys.
        tracking: states, keys, values, queries and outputs of a head; None: one each.
        transition: form of T between the states, see `stable_transition`.
        scale: of the queries; None: K^{−1/2}.
        block: as for `GridPLSTM`.
        readout: "corners" or "mean".

    Raises:
        ArgumentError: if a patch does not divide the sides of an image, or the heads D, there
            is no such mode or transition, or queries that are keys are not as many.
    """

    channels: int = 3
    classes: int = 1000
    image: tuple[int, int] = (224, 224)
    positions: bool = True
    patch: int = 16
    width: int = 192
    heads: int = 3
    modes: str = "PD" * 6
    gates: GateOptions | None = None
    orientations: int = 4
    tied: bool = False
    tracking: Tracking | None = None
    transition: str = "diagonal"
    scale: float | None = None
    block: tuple[int, int] | None = None
    readout: str = "corners"

    def __post_init__(self) -> None:
        if self.patch < 1 or any(side < 1 or side % self.patch for side in self.image):
            raise ArgumentError(
                f"patch must divide both sides of an image; got image={self.image} and "
                f"patch={self.patch}."
            )
        if self.heads < 1 or self.width % self.heads:
            raise ArgumentError(
                f"heads must divide the width {self.width}; got heads={self.heads}."
            )
        j = self.tracking or Tracking()
        j.vectors(self.tied)
        transition_numbers(self.transition, j.states)
        for mode in self.modes:
            if mode not in ("P", "D"):
                raise ArgumentError(f"No mode is called {mode!r}. {nearest(mode, ('P', 'D'))}")

    @staticmethod
    def published(size: str) -> PLSTMVisionConfig:
        """A model of the paper.

        Args:
            size: "T", "S" or "B".

        Raises:
            ArgumentError: if the paper has no such size.
        """
        if size not in PUBLISHED:
            raise ArgumentError(f"No size is called {size!r}. {nearest(size, PUBLISHED)}")
        return replace(PUBLISHED[size])


PUBLISHED = {
    "T": PLSTMVisionConfig(width=192, heads=3),
    "S": PLSTMVisionConfig(width=384, heads=6),
    "B": PLSTMVisionConfig(width=768, heads=12),
}
"""The models of the paper, by its names for their sizes."""


class PLSTMVision(VisionModel):
    """The image model: (B, X, Y, C) to (B, classes), for images of any size.

        model = PLSTMVision(PLSTMVisionConfig.published("T"))
        logits = model(torch.randn(2, 224, 224, 3))

    Args:
        config: its shape.
        device: of the parameters.
        dtype: of the parameters.
    """

    def __init__(
        self,
        config: PLSTMVisionConfig,
        *,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        on: dict[str, Any] = {"device": device, "dtype": dtype}
        grid = config.image[0] // config.patch, config.image[1] // config.patch
        embedding = PatchEmbedding(
            config.channels, config.width, config.patch, grid if config.positions else None, **on
        )
        blocks = [
            TokenBlock(config.width, _layer(config, mode, **on), _norm, **on)
            for mode in config.modes
        ]
        super().__init__(
            embedding, blocks, _norm(config.width, **on), config.classes, config.readout
        )
        self.config = config


def _norm(size: int, **on: Any) -> nn.Module:
    return nn.RMSNorm(size, eps=1e-5, **on)


def _layer(config: PLSTMVisionConfig, mode: str, **on: Any) -> GridPLSTM:
    gates = config.gates
    if gates is not None and len(set(config.modes)) > 1:
        gates = gates.of_mode(mode)
    return GridPLSTM(
        config.width,
        config.heads,
        mode,
        orientations=config.orientations,
        gates=gates,
        tied=config.tied,
        tracking=config.tracking,
        transition=config.transition,
        scale=config.scale,
        block=config.block,
        **on,
    )
