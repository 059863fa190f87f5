"""Observations of gymnasium as rows of numbers: a vector of one size, whatever they are made of.

Box                     its numbers; an image (H, W, C) of bytes in [0, 1], made smaller
Discrete, MultiDiscrete unit vectors
MultiBinary             zeros and ones
Tuple, Dict             their parts side by side, those of a Dict in the order of its keys
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from ostinato.core.errors import ArgumentError
from ostinato.core.extras import extra


class Flattening(NamedTuple):
    """How the observations of a space become vectors.

    Attributes:
        size: O, numbers of a vector.
        flatten: E observations, in gymnasium's form of a batch, to (E, O) float32.
    """

    size: int
    flatten: Callable[[Any], Tensor]


def flattening(space: Any, shrink: int = 1) -> Flattening:
    """The flattening of a space.

    Args:
        space: of single observations.
        shrink: squares of so many pixels of an image become their mean.

    Raises:
        ArgumentError: if the space has a part that is none of the kinds above.
        MissingExtraError: without gymnasium.
    """
    spaces = extra("gymnasium.spaces", "rl", "An observation of gymnasium")
    match space:
        case spaces.Discrete():
            return _unit_vectors(np.array([space.n]), np.array([space.start]))
        case spaces.MultiDiscrete():
            return _unit_vectors(space.nvec.ravel(), space.start.ravel())
        case spaces.Box() if space.dtype == np.uint8 and len(space.shape) == 3:
            return _image(space.shape, shrink)
        case spaces.Box() | spaces.MultiBinary():
            return Flattening(int(np.prod(space.shape)), _numbers)
        case spaces.Dict():
            parts = {key: flattening(part, shrink) for key, part in space.items()}
            return _side_by_side(list(parts.values()), lambda seen: [seen[key] for key in parts])
        case spaces.Tuple():
            return _side_by_side([flattening(part, shrink) for part in space], list)
    raise ArgumentError(
        f"An observation must be made of Box, Discrete, MultiDiscrete, MultiBinary, Tuple and "
        f"Dict; got {space}. Wrap the environment so that it shows one of these."
    )


def _numbers(seen: Any) -> Tensor:
    return torch.as_tensor(np.asarray(seen)).flatten(1).float()


def _unit_vectors(sizes: np.ndarray, start: np.ndarray) -> Flattening:
    total, ends = int(sizes.sum()), sizes.cumsum()
    # Where the 1 of a choice stands: behind the vectors of the choices before it.
    shift = torch.as_tensor(ends - sizes - start)

    def flatten(seen: Any) -> Tensor:
        places = torch.as_tensor(np.asarray(seen)).reshape(-1, len(shift)).long() + shift
        return torch.zeros(len(places), total).scatter_(1, places, 1)

    return Flattening(total, flatten)


def _image(shape: tuple[int, int, int], shrink: int) -> Flattening:
    height, width, channels = shape
    if not 1 <= shrink <= min(height, width):
        raise ArgumentError(
            f"shrink must be from 1 to {min(height, width)} for images of {height} × {width} "
            f"pixels; got {shrink}."
        )

    def flatten(seen: Any) -> Tensor:
        pixels = torch.as_tensor(np.asarray(seen)).permute(0, 3, 1, 2).float() / 255
        return avg_pool2d(pixels, shrink).flatten(1)

    return Flattening((height // shrink) * (width // shrink) * channels, flatten)


def _side_by_side(parts: Sequence[Flattening], split: Callable[[Any], Sequence[Any]]) -> Flattening:
    def flatten(seen: Any) -> Tensor:
        pairs = zip(parts, split(seen), strict=True)
        return torch.cat([part.flatten(values) for part, values in pairs], 1)

    return Flattening(sum(part.size for part in parts), flatten)
