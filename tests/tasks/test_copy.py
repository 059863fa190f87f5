import math

import pytest
import torch

from ostinato.core.errors import ArgumentError
from ostinato.tasks.copy import CopyTask


def sequence(data, delay, symbols):
    blank = [0]
    inputs = data + blank * (delay - 1) + [symbols + 1] + blank * len(data)
    return inputs, blank * (len(data) + delay) + data


def test_fixed_length():
    task = CopyTask(symbols=4, length=3, delay=6)
    batch = task.batch(0, 50)
    assert batch.lengths is None
    for inputs, targets in zip(batch.inputs.tolist(), batch.targets.tolist(), strict=True):
        assert (inputs, targets) == sequence(inputs[:3], 6, 4)
    assert batch.inputs[:, :3].unique().tolist() == [1, 2, 3, 4]


def test_variable_length():
    batch = CopyTask(symbols=4, length=5, delay=2, shortest=1).batch(0, 200)
    assert batch.lengths is not None
    assert batch.lengths.unique().tolist() == [4, 6, 8, 10, 12]
    for row, length in enumerate(batch.lengths.tolist()):
        inputs, targets = batch.inputs[row].tolist(), batch.targets[row].tolist()
        data = inputs[: (length - 2) // 2]
        assert 0 not in data
        assert (inputs[:length], targets[:length]) == sequence(data, 2, 4)
        assert not any(inputs[length:])


def test_score_is_over_the_recall_only():
    task = CopyTask(length=4, delay=3, shortest=2)
    batch = task.batch(0, 20)
    kept = int((batch.lengths - 3).sum()) // 2
    perfect = torch.nn.functional.one_hot(batch.targets, 9).float()
    assert task.score(perfect, batch) == (kept, kept)
    blanks = torch.nn.functional.one_hot(torch.zeros_like(batch.targets), 9).float()
    assert task.score(blanks, batch) == (0, kept)


def test_guessing_loss_is_that_of_a_model_that_knows_when():
    task = CopyTask(symbols=8, length=3, delay=5)
    batch = task.batch(0, 4)
    outputs = torch.full((*batch.targets.shape, 9), -math.inf)
    outputs[..., 0] = 0
    outputs[:, -3:, 0], outputs[:, -3:, 1:] = -math.inf, 0
    loss = float(task.loss(outputs, batch))
    assert loss == pytest.approx(task.describe()["guessing"]["loss"])


def test_without_a_delay_the_first_blank_asks_for_the_first_symbol():
    task = CopyTask(symbols=2, length=3, delay=0, recall_only=True)
    batch = task.batch(0, 20)
    for inputs, targets in zip(batch.inputs.tolist(), batch.targets.tolist(), strict=True):
        assert inputs[3:] == targets[:3] == [0, 0, 0]
        assert inputs[:3] == targets[3:]
    assert batch.weights.tolist() == [[0, 0, 0, 1, 1, 1]] * 20
    outputs = torch.full((20, 6, 3), -math.inf)
    outputs[..., 1:] = 0
    outputs[:, :3] = 0  # what is said of blanks does not count
    loss = float(task.loss(outputs, batch))
    assert loss == pytest.approx(task.describe()["guessing"]["loss"]) == math.log(2)


def test_shortest_is_checked():
    with pytest.raises(ArgumentError, match="shortest must be from 1 to length=10; got 11"):
        CopyTask(shortest=11)
