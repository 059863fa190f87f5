import pytest
import torch

from ostinato.core.errors import ArgumentError
from ostinato.tasks import make_task


def test_the_label_is_read_off_the_first_segments():
    task = make_task("first_segments", segments=6, width=4, asked=3, noise=0.0)
    batch = task.batch(0, 50)
    assert batch.inputs.shape == (50, 24, 1)
    levels = batch.inputs[..., 0].unflatten(1, (6, 4))
    assert bool((levels == levels[..., :1]).all())
    high = (levels[:, :3, 0] + 1) / 2
    assert (high @ torch.tensor([1.0, 2.0, 4.0])).long().equal(batch.targets)
    assert len(batch.targets.unique()) == 8


def test_noise_is_added_to_every_step():
    task = make_task("first_segments")
    x = task.batch(0, 100).inputs
    assert x.shape[1] == 384
    assert float((x.abs() - 1).abs().mean()) == pytest.approx(0.39, abs=0.02)
    assert float(x.var()) == pytest.approx(1.25, rel=0.05)


def test_sizes_that_do_not_fit():
    with pytest.raises(ArgumentError, match="segments"):
        make_task("first_segments", segments=3, asked=4)
