"""The score of a model on a held-out split."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from ostinato.tasks.task import Batch, Task


def evaluate(model: nn.Module, task: Task, split: str | None = None, batch_size: int = 32) -> float:
    """The task's metric over a whole held-out split.

    Args:
        model: maps (inputs, state, lengths, resets) to (outputs, state).
        task: gives the split and scores the outputs.
        split: one of `task.splits`; None: the first.
        batch_size: rows at a time.
    """
    totals = score_totals(model, task, split or task.splits[0], batch_size)
    return float(totals[0] / totals[1])


@torch.no_grad()
def score_totals(
    model: nn.Module,
    task: Task,
    split: str,
    batch_size: int,
    *,
    process: int = 0,
    processes: int = 1,
) -> Tensor:
    """The metric's sum and count (2,) float64, whose quotient over all processes is the metric.

    Args:
        model: as for `evaluate`.
        task: as for `evaluate`.
        split: one of `task.splits`.
        batch_size: rows per process.
        process: which process this is; it takes its rows of every batch.
        processes: how many share the work.
    """
    device = next(model.parameters()).device
    totals, state = torch.zeros(2, dtype=torch.float64), None
    was_training = model.training
    model.eval()
    try:
        whole = task.held_out(split, batch_size * processes)
        for batch in _rows(whole, process * batch_size, (process + 1) * batch_size):
            batch = batch.to(device)
            carried = state if task.continues else None
            outputs, state = model(batch.inputs, carried, batch.lengths, batch.resets)
            totals += torch.tensor(task.score(outputs, batch), dtype=torch.float64)
    finally:
        model.train(was_training)
    return totals


def _rows(batches: Iterator[Batch], start: int, stop: int) -> Iterator[Batch]:
    """The rows of each batch, where it has any: the last one may be smaller."""
    for batch in batches:
        if batch.size > start:
            yield batch.rows(start, stop)
