import math

import pytest
import torch

from ostinato.core.errors import ArgumentError
from ostinato.tasks.delay_copy import DelayCopyTask


def test_targets_repeat_the_inputs_later():
    task = DelayCopyTask(classes=5, delay=3, steps=9)
    batch = task.batch(0, 4)
    assert torch.equal(batch.targets[:, 3:], batch.inputs[:, :6])
    assert batch.weights is not None
    assert batch.weights.tolist() == [[0.0] * 3 + [1.0] * 6] * 4


def test_perfect_and_uniform_outputs():
    task = DelayCopyTask()
    batch = task.batch(0, 16)
    perfect = torch.nn.functional.one_hot(batch.targets, 8).float()
    assert task.score(perfect, batch) == (16 * 15, 16 * 15)
    assert float(task.loss(torch.zeros_like(perfect), batch)) == pytest.approx(math.log(8))


def test_symbols_are_uniform():
    counts = DelayCopyTask().batch(0, 2000).inputs.flatten().bincount()
    assert (counts / 5000 - 1).abs().max() < 0.06


def test_delay_must_leave_something_to_repeat():
    with pytest.raises(ArgumentError, match="steps must be at least 21"):
        DelayCopyTask(delay=20, steps=20)
