import pytest
import torch

from ostinato.core.errors import ArgumentError
from ostinato.tasks.keep_nth import KeepNthTask


def test_the_target_is_the_nth_symbol_counted_from_one():
    batch = KeepNthTask(n=3, symbols=7, steps=9).batch(0, 50)
    assert batch.inputs.shape == (50, 9)
    assert torch.equal(batch.targets, batch.inputs[:, 2])
    assert batch.inputs.unique().tolist() == list(range(7))


def test_n_lies_in_the_sequence():
    assert KeepNthTask(n=4, steps=4).batch(0, 2).targets.shape == (2,)
    with pytest.raises(ArgumentError, match="steps must be at least 5"):
        KeepNthTask(n=5, steps=4)
