"""Splits that are the same on every machine."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ostinato.tasks.seeds import generator_at


def stratified_split(labels: Tensor, fractions: Sequence[float], seed: int) -> list[Tensor]:
    """Split rows so that every class is divided in the same proportions.

    Args:
        labels: the class of each row (N,).
        fractions: the share of each part but the last, which takes the rest.
        seed: what decides which rows go where.

    Returns:
        The row numbers of each part, in ascending order; together every row once.
    """
    parts: list[list[Tensor]] = [[] for _ in range(len(fractions) + 1)]
    for label in sorted(set(labels.tolist())):
        rows = (labels == label).nonzero().flatten()
        rows = rows[torch.randperm(len(rows), generator=generator_at(seed, "split", label))]
        ends = [round(sum(fractions[: k + 1]) * len(rows)) for k in range(len(fractions))]
        for part, chosen in zip(parts, torch.tensor_split(rows, ends), strict=True):
            part.append(chosen)
    return [torch.cat(part).sort().values for part in parts]


def epoch_rows(count: int, step: int, batch_size: int, seed: int) -> Tensor:
    """The rows of a training batch when every epoch reads all rows in an order of its own.

    Args:
        count: the number of rows N.
        step: the number of the batch.
        batch_size: the number of rows B; a batch may reach over the end of an epoch.
        seed: each epoch's permutation derives from `(seed, epoch)`.

    Returns:
        Row numbers (B,).
    """
    first, last = step * batch_size, (step + 1) * batch_size - 1
    epochs = range(first // count, last // count + 1)
    order = torch.cat(
        [torch.randperm(count, generator=generator_at(seed, "epoch", e)) for e in epochs]
    )
    begin = first - epochs.start * count
    return order[begin : begin + batch_size]
