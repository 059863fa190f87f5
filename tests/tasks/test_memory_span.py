import math

import pytest
import torch

from ostinato.core.errors import ArgumentError
from ostinato.tasks.parity import ParityTask


def test_lengths_cover_their_range():
    task = ParityTask(n=3)
    assert {task.batch(step, 1).inputs.shape[1] for step in range(300)} == set(range(5, 14))


def test_heads_answer_for_two_and_more_symbols():
    task = ParityTask(n=4, heads=6)
    batch = task.batch(0, 32)
    assert task.spans == (2, 3, 4)
    assert batch.targets.shape == (32, 6)
    for head, n in enumerate(task.spans):
        assert torch.equal(batch.targets[:, head], batch.inputs[:, -n:, 0].sum(1) % 2)


def test_loss_and_score_leave_unused_heads_alone():
    task = ParityTask(n=3, heads=5)
    batch = task.batch(0, 16)
    outputs = torch.zeros(16, 5, requires_grad=True)
    loss = task.loss(outputs, batch)
    loss.backward()
    assert float(loss.detach()) == pytest.approx(2 * math.log(2))
    assert outputs.grad is not None
    assert not outputs.grad[:, 2:].any()
    assert task.score(2 * batch.targets - 1, batch) == (32, 32)
    assert task.score(1 - 2 * batch.targets, batch) == (0, 32)


def test_signed_reads_minus_one_and_one():
    plain, signed = ParityTask(n=3).batch(1, 16), ParityTask(n=3, signed=True).batch(1, 16)
    assert torch.equal(signed.inputs, 2 * plain.inputs - 1)
    assert torch.equal(signed.targets, plain.targets)


def test_held_out_has_as_many_ones_as_zeros():
    task = ParityTask(n=10, held_out_sequences=5000)
    sums = [(batch.inputs.mean((1, 2)) - 0.5).abs() for batch in task.held_out("valid", 500)]
    assert torch.cat(sums).mean() < 0.12  # sequences of a uniform frequency: 0.25


def test_heads_must_reach_n():
    with pytest.raises(ArgumentError, match="heads must be at least 4"):
        ParityTask(n=5, heads=3)


def test_a_window_of_spans_leaves_easier_heads_alone():
    task = ParityTask(n=6, heads=8, shortest=4)
    batch = task.batch(0, 16)
    assert task.spans == (4, 5, 6)
    assert task.used == slice(2, 5)
    for span, head in zip(task.spans, range(2, 5), strict=True):
        assert torch.equal(batch.targets[:, head], batch.inputs[:, -span:, 0].sum(1) % 2)
    outputs = torch.zeros(16, 8, requires_grad=True)
    task.loss(outputs, batch).backward()
    assert outputs.grad is not None
    assert outputs.grad.ne(0).any(0).tolist() == [False, False, True, True, True] + [False] * 3
    assert task.right(2 * batch.targets - 1, batch).shape == (16, 3)
