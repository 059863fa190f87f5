import pytest
import torch

from ostinato.core.errors import ArgumentError
from ostinato.tasks.associative_recall import AssociativeRecallTask


def test_every_key_is_asked_once_and_its_value_is_the_answer():
    batch = AssociativeRecallTask(pairs=3, symbols=20, steps=15).batch(0, 40)
    assert batch.weights.sum(1).tolist() == [3] * 40
    rows = zip(batch.inputs.tolist(), batch.targets.tolist(), batch.weights.bool(), strict=True)
    for row, targets, asked in rows:
        values = dict(zip(row[0:6:2], row[1:6:2], strict=True))
        places = asked.nonzero().flatten().tolist()
        assert sorted(row[place] for place in places) == sorted(values)
        assert all(targets[place] == values[row[place]] for place in places)
        assert all(row[t] >= 10 for t in range(6, 15) if t not in places)


def test_queries_stand_at_every_later_step_alike():
    weights = AssociativeRecallTask(pairs=2, symbols=8, steps=8).batch(0, 4000).weights
    frequency = weights.mean(0)
    assert not frequency[:4].any()
    assert (frequency[4:] - 0.5).abs().max() < 0.04


def test_sizes_that_do_not_fit():
    full = AssociativeRecallTask(pairs=2, symbols=4, steps=6).batch(0, 3)
    assert torch.equal(full.weights, torch.tensor([[0.0] * 4 + [1.0] * 2] * 3))
    with pytest.raises(ArgumentError, match="symbols must be at least 6"):
        AssociativeRecallTask(pairs=3, symbols=4)
    with pytest.raises(ArgumentError, match="steps must be at least 6"):
        AssociativeRecallTask(pairs=2, steps=5)
