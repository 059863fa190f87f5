"""How the nets of the experiment on LSSL are trained, and at which rate they are tested."""

from __future__ import annotations

from collections.abc import Iterable

import torch

from ostinato.models.time.lssl import LSSLNet
from ostinato.tasks.task import Task


def fit(
    net: LSSLNet, task: Task, steps: Iterable[int], count: int, batch: int, rate: float = 4e-3
) -> list[float]:
    """Train by Adam, with small learning rates for A, B and δ; the loss of every update.

    Args:
        net: what is trained.
        task: on what.
        steps: 0, 1, …, count − 1.
        count: how many; the learning rates fall like a cosine.
        batch: rows.
        rate: the learning rate of all but A, B and δ.
    """
    optimizer = torch.optim.Adam(net.parameter_groups(rate))
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, count)
    losses = list[float]()
    for step in steps:
        given = task.batch(step, batch)
        loss = task.loss(net(given.inputs)[0], given)
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
        schedule.step()
        losses.append(loss.item())
    return losses


@torch.no_grad()
def accuracy(net: LSSLNet, task: Task, stride: int = 1, rate: float = 1.0) -> float:
    """Percent right in the split "test".

    Args:
        net: what answers.
        task: what is asked.
        stride: every how many steps are read.
        rate: what the net takes the length of a step for, 1 in training.
    """
    net.eval().resample(rate)
    found = [
        task.score(net(each.inputs[:, ::stride])[0], each) for each in task.held_out("test", 100)
    ]
    net.train().resample(1.0)
    return 100 * sum(right for right, _ in found) / sum(count for _, count in found)
