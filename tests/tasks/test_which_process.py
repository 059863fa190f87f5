import pytest
import torch

from ostinato.tasks.which_process import WhichProcessTask, coefficients


def test_a_sequence_is_its_process():
    """Regression on the two values before finds the coefficients."""
    batch = WhichProcessTask(steps=4000).batch(0, 40)
    assert sorted(set(batch.targets.tolist())) == [0, 1, 2, 3, 4]
    for x, first, second in zip(batch.inputs[..., 0], *coefficients(batch.targets), strict=True):
        before = torch.stack([x[1:-1], x[:-2]], -1)
        found = torch.linalg.lstsq(before, x[2:, None]).solution[:, 0]
        assert found.tolist() == pytest.approx([float(first), float(second)], abs=0.06)


def test_the_variance_does_not_tell():
    batch = WhichProcessTask(steps=4000).batch(0, 200)
    for c in range(5):
        mine = batch.inputs[batch.targets == c]
        assert float(mine[:, 100:].var()) == pytest.approx(1, rel=0.1)


def test_held_out_sets_differ():
    task = WhichProcessTask(steps=50, held_out_sequences=20)
    valid, test = (next(iter(task.held_out(split, 20))).inputs for split in task.splits)
    assert valid.shape == (20, 50, 1)
    assert not torch.equal(valid, test)
