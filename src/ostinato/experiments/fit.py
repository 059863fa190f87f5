"""The training that experiments share: AdamW, with one rise and fall of the learning rate."""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import nn

from ostinato.core.state import detach
from ostinato.models.weight_decay import parameter_groups
from ostinato.tasks.task import Task


def fit(
    model: nn.Module, task: Task, steps: Iterable[int], count: int, rate: float, batch: int = 64
) -> list[float]:
    """Train by AdamW, the gradient clipped to a norm of 1; the loss of every step.

    Args:
        model: what is trained.
        task: on what.
        steps: 0, 1, …, count − 1.
        count: how many; the learning rate rises over a tenth of them, and falls like a cosine.
        rate: its peak.
        batch: rows.
    """
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(parameter_groups(model), rate)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _share(step, count))
    losses, state = list[float](), None
    for step in steps:
        given = task.batch(step, batch)
        answers, last = model(given.inputs, state, given.lengths, given.resets)
        state = detach(last) if task.continues else None
        loss = task.loss(answers, given)
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        schedule.step()
        losses.append(loss.item())
    return losses


def _share(step: int, count: int) -> float:
    """Of the peak of the learning rate."""
    rising = (step + 1) / max(1, count // 10)
    return min(rising, 0.5 + 0.5 * math.cos(math.pi * step / count))
