import pytest
import torch

from ostinato.core.errors import ArgumentError
from ostinato.tasks.labelled import LabelledTask


@pytest.fixture
def task():
    def part(count, first):
        numbers = torch.arange(first, first + count)
        return numbers.view(-1, 1, 1).float().expand(-1, 3, 2), numbers % 2

    parts = {"train": part(10, 0), "valid": part(5, 100), "test": part(4, 200)}
    return LabelledTask(parts, classes=2, seed=0)


def test_labels_stay_with_their_sequences(task):
    for step in range(6):
        batch = task.batch(step, 4)
        assert batch.inputs.shape == (4, 3, 2)
        assert torch.equal(batch.targets, batch.inputs[:, 0, 0].long() % 2)


def test_batch_is_pure(task):
    first = task.batch(3, 4)
    task.batch(9, 2)
    assert torch.equal(first.inputs, task.batch(3, 4).inputs)


def test_held_out_rows_come_once_in_order(task):
    rows = torch.cat([batch.inputs[:, 0, 0] for batch in task.held_out("valid", 2)])
    assert rows.tolist() == [100, 101, 102, 103, 104]
    with pytest.raises(ArgumentError, match="no split 'train'"):
        list(task.held_out("train", 2))


def test_describe(task):
    assert task.describe() == {
        "seed": 0,
        "train_sequences": 10,
        "train_commonest_class": 0.5,
        "valid_sequences": 5,
        "valid_commonest_class": 0.6,
        "test_sequences": 4,
        "test_commonest_class": 0.5,
    }
