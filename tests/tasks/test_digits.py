import sys

import pytest
import torch

from ostinato.core.errors import ArgumentError, MissingExtraError
from ostinato.tasks.digits import DigitsTask


def all_rows(task):
    parts = [task.held_out(split, 100) for split in task.splits]
    steps = -(-task.describe()["train_sequences"] // 100)
    return [torch.cat([b.inputs for b in part]) for part in parts] + [
        torch.cat([task.batch(step, 100).inputs for step in range(steps)])
    ]


def test_images_are_read_as_they_are():
    datasets = pytest.importorskip("sklearn.datasets")
    valid, test, train = all_rows(DigitsTask())
    images = torch.tensor(datasets.load_digits().images, dtype=torch.float32) / 16
    known = {tuple(image.flatten().tolist()) for image in images}
    parts = [{tuple(image.flatten().tolist()) for image in part} for part in (valid, test, train)]
    assert set.union(*parts) == known
    assert sum(map(len, parts)) == len(known) == 1797


def test_pixels_are_the_rows_one_by_one():
    pytest.importorskip("sklearn")
    rows, pixels = DigitsTask().batch(2, 8), DigitsTask("pixels").batch(2, 8)
    assert pixels.inputs.shape == (8, 64, 1)
    assert torch.equal(rows.inputs.reshape(8, 64, 1), pixels.inputs)
    assert torch.equal(rows.targets, pixels.targets)


def test_seed_changes_the_order_and_not_the_split():
    pytest.importorskip("sklearn")
    first, other = DigitsTask(seed=0), DigitsTask(seed=1)
    assert not torch.equal(first.batch(0, 8).inputs, other.batch(0, 8).inputs)
    assert torch.equal(
        next(first.held_out("test", 99)).inputs, next(other.held_out("test", 99)).inputs
    )


def test_missing_extra_names_what_can_stand_in(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(MissingExtraError, match=r"ostinato\[data\].*delay_copy"):
        DigitsTask()


def test_unknown_order():
    with pytest.raises(ArgumentError, match="no order 'pixel'"):
        DigitsTask("pixel")
