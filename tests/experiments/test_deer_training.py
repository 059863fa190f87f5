"""The classifier of the experiment on DEER."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from ostinato.experiments.deer_training import (
    accuracy,
    long_task,
    train,
    train_by_newton,
)
from ostinato.tasks.which_process import WhichProcessTask

SPEECH = Path(__file__).parents[3] / "shared/data/fsdd"


def test_both_ways_train_alike():
    task = WhichProcessTask(steps=200)
    torch.manual_seed(0)
    step_by_step, losses = train(task, 3, "reference", 4)
    torch.manual_seed(0)
    by_newton, same, solved = train_by_newton(task, 3, 4)
    assert solved == 1
    assert same == pytest.approx(losses, abs=1e-5)
    for a, b in zip(step_by_step.parameters(), by_newton.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-4)


def test_processes_are_learned():
    task = WhichProcessTask(steps=1000)
    torch.manual_seed(1)
    model, losses = train(task, 4, "auto", 60)
    assert losses[0] > 1.3
    assert accuracy(model, task) > 45


def test_without_data_there_are_five_processes():
    task = long_task(None)
    assert task.batch(0, 2).inputs.shape == (2, 4096, 1)
    assert task.outputs.count == 5


@pytest.mark.skipif(not SPEECH.exists(), reason="needs shared/data")
def test_with_data_speakers_are_told_apart():
    task = long_task(str(SPEECH))
    assert task.batch(0, 2).inputs.shape == (2, 4096, 1)
    model, _, solved = train_by_newton(task, 2, 1)
    assert solved == 1
    assert model.gain > 1
