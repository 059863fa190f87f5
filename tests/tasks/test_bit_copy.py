import pytest
import torch

from ostinato.core.errors import ArgumentError
from ostinato.tasks.bit_copy import BitCopyTask


def test_targets_are_the_vectors_after_the_end():
    batch = BitCopyTask(bits=3, longest=5).batch(0, 40)
    assert batch.inputs.shape == (40, 11, 4)
    counts = (batch.lengths - 1) // 2
    assert counts.unique().tolist() == [1, 2, 3, 4, 5]
    for row, count in enumerate(counts.tolist()):
        inputs, targets = batch.inputs[row], batch.targets[row]
        assert inputs[:, -1].tolist() == [float(t == count) for t in range(11)]
        assert torch.equal(targets[count + 1 : 2 * count + 1], inputs[:count, :3])
        assert not inputs[count + 1 :].any()
        recall = batch.weights[row].bool()
        assert recall.nonzero().flatten().tolist() == list(range(count + 1, 2 * count + 1))
        assert not targets[~recall].any()


def test_what_is_held_out_is_longer():
    task = BitCopyTask(bits=3, longest=4, held_out_length=9, held_out_sequences=6)
    (batch,) = task.held_out("valid", 100)
    assert batch.lengths.tolist() == [19] * 6


def test_score_and_loss_are_over_the_bits_to_recall():
    task = BitCopyTask(bits=2, longest=3)
    batch = task.batch(0, 8)
    count = float(batch.weights.sum()) * 2
    right = 40 * (2 * batch.targets - 1)
    assert task.score(right, batch) == (0, count)
    assert task.score(-right, batch) == (count, count)
    assert float(task.loss(right, batch)) < 1e-6
    assert float(task.loss(torch.zeros_like(right), batch)) == pytest.approx(0.6931, abs=1e-4)


def test_lengths_are_checked():
    with pytest.raises(ArgumentError, match="held_out_length must be at least 1; got 0"):
        BitCopyTask(held_out_length=0)
