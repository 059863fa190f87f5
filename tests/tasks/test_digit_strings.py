import pytest
import torch

from ostinato.tasks.digit_strings import DigitStringsTask
from ostinato.tasks.digits import DigitsTask

pytest.importorskip("sklearn")


def test_a_string_is_its_images_side_by_side():
    task = DigitStringsTask(gap=0, shortest=2, longest=3)
    batch = task.batch(0, 30)
    images, labels = DigitsTask().sequences("train")
    known = {
        image.T.flatten().numpy().tobytes(): int(k) for image, k in zip(images, labels, strict=True)
    }
    for row in range(30):
        digits = batch.targets[row][batch.targets[row] >= 0] - 1
        assert int(batch.lengths[row]) == 8 * len(digits)
        for place, digit in enumerate(digits.tolist()):
            columns = batch.inputs[row, 8 * place : 8 * place + 8]
            assert known[columns.flatten().numpy().tobytes()] == digit
        assert not batch.inputs[row, batch.lengths[row] :].any()


def test_gaps_are_empty_columns():
    batch = DigitStringsTask(gap=3, shortest=4, longest=4).batch(0, 50)
    assert int(batch.lengths.min()) >= 32
    assert int(batch.lengths.max()) <= 44
    assert len(batch.lengths.unique()) > 5


def test_held_out_strings_are_of_held_out_images():
    (batch,) = DigitStringsTask(gap=0, shortest=1, longest=1).held_out("valid", 1000)
    held_out = {image.T.flatten().numpy().tobytes() for image in DigitsTask().sequences("valid")[0]}
    found = {columns.flatten().numpy().tobytes() for columns in batch.inputs[:, :8]}
    assert found <= held_out


def test_score_is_the_label_error_rate():
    task = DigitStringsTask(shortest=3, longest=3, gap=0)
    batch = task.batch(0, 10)
    outputs = torch.zeros(10, 24, 11)
    outputs[..., 0] = 1
    assert task.score(outputs, batch) == (30, 30)
    outputs[:, ::8] = 5 * torch.nn.functional.one_hot(batch.targets, 11).float()
    assert task.score(outputs, batch) == (0, 30)
    assert bool(task.loss(outputs, batch).isfinite())
