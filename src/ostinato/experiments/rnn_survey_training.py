"""How the nets of the survey's experiment are trained: Adam, clipped gradients, a falling rate."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn

from ostinato.models.sequence_model import SequenceModel
from ostinato.tasks.task import Task


def fit(
    model: nn.Module,
    loss_at: Callable[[int], Tensor],
    steps: Iterable[int],
    count: int,
    rate: float,
    clip: float = 1.0,
) -> list[float]:
    """Train by Adam; the loss of every step.

    Args:
        model: what is trained.
        loss_at: the loss of a step's batch.
        steps: 0, 1, …, count − 1.
        count: how many; over them the learning rate falls to zero, by equal parts.
        rate: what it begins with.
        clip: the largest norm of a gradient.
    """
    optimizer = torch.optim.Adam(model.parameters(), rate, fused=True)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 - step / count)
    losses = []
    for step in steps:
        loss = loss_at(step)
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(model.parameters(), clip)
        optimizer.step()
        schedule.step()
        losses.append(loss.item())
    return losses


def fit_task(
    model: SequenceModel,
    task: Task,
    steps: Iterable[int],
    count: int,
    rate: float,
    batch_size: int = 32,
    clip: float = 1.0,
) -> list[float]:
    """Train on a task; see `fit`."""

    def loss_at(step: int) -> Tensor:
        batch = task.batch(step, batch_size)
        return task.loss(model(batch.inputs, None, batch.lengths)[0], batch)

    return fit(model, loss_at, steps, count, rate, clip)


def every(losses: list[float], points: int = 30) -> tuple[range, list[float]]:
    """Updates and losses to draw, about `points` of them, each the mean of those since the last."""
    size = max(1, len(losses) // points)
    begins = range(0, len(losses) - size + 1, size)
    return begins, [sum(losses[begin : begin + size]) / size for begin in begins]
