"""One long text cut into parallel streams, read window by window."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import torch

from ostinato.core.errors import ArgumentError
from ostinato.tasks.arguments import require_at_least
from ostinato.tasks.task import Batch

Symbols = npt.NDArray[np.int32]


def training_window(text: Symbols, step: int, batch_size: int, window: int) -> Batch:
    """The next `window` symbols of `batch_size` streams; the targets are the symbols that follow.

    Stream b is the b-th of `batch_size` equal parts of the text. At its end it starts over, and
    `resets` is true there.

    Args:
        text: symbols (N,).
        step: how many windows were read before.
        batch_size: the number of streams B.
        window: the number of steps T.

    Returns:
        A batch of inputs and targets (B, T).
    """
    require_at_least(1, batch_size=batch_size)
    length = (len(text) - 1) // batch_size
    if length == 0:
        raise ArgumentError(
            f"{len(text)} symbols cannot be cut into {batch_size} streams; "
            f"batch_size must be at most {len(text) - 1}."
        )
    position = step * window + np.arange(window)
    index = np.arange(batch_size)[:, None] * length + position % length
    restarts = (position % length == 0) & (position > 0)
    resets = torch.from_numpy(restarts).expand(batch_size, -1) if restarts.any() else None
    return Batch(_take(text, index), _take(text, index + 1), resets=resets)


def held_out_windows(text: Symbols, batch_size: int, window: int) -> Iterator[Batch]:
    """All windows of `batch_size` streams, in order: every symbol but the first is a target once.

    Args:
        text: symbols (N,).
        batch_size: the number of streams B.
        window: the longest window.

    Yields:
        Batches of at most `window` steps; where the last streams are shorter, weights are 0.
    """
    require_at_least(1, batch_size=batch_size)
    targets = len(text) - 1
    length = -(-targets // batch_size)
    for begin in range(0, length, window):
        position = np.arange(begin, min(begin + window, length))
        index = np.arange(batch_size)[:, None] * length + position
        inside = index < targets
        index = index.clip(max=targets - 1)
        weights = None if inside.all() else torch.from_numpy(inside).float()
        yield Batch(_take(text, index), _take(text, index + 1), weights=weights)


def _take(text: Symbols, index: npt.NDArray[np.int64]) -> torch.Tensor:
    return torch.from_numpy(text[index]).long()
