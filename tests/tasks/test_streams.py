import numpy as np
import pytest
import torch

from ostinato.core.errors import ArgumentError
from ostinato.tasks.streams import held_out_windows, training_window


def test_windows_continue_one_another_and_targets_follow():
    text = np.arange(101, dtype=np.int32)
    batches = [training_window(text, step, batch_size=4, window=5) for step in range(5)]
    read = torch.cat([batch.inputs for batch in batches], dim=1)
    assert torch.equal(read, torch.arange(100).view(4, 25))
    assert all(torch.equal(batch.targets, batch.inputs + 1) for batch in batches)
    assert all(batch.resets is None for batch in batches)


def test_resets_where_a_stream_starts_over():
    text = np.arange(101, dtype=np.int32)
    batch = training_window(text, 3, batch_size=4, window=7)  # positions 21 … 27 of 25
    assert batch.inputs[1].tolist() == [46, 47, 48, 49, 25, 26, 27]
    assert batch.targets[1].tolist() == [47, 48, 49, 50, 26, 27, 28]
    assert batch.resets is not None
    assert batch.resets.tolist() == [[False] * 4 + [True] + [False] * 2] * 4


def test_wrap_at_the_first_step_of_a_window_resets():
    batch = training_window(np.arange(11, dtype=np.int32), 1, batch_size=1, window=10)
    assert batch.resets is not None
    assert batch.resets.tolist() == [[True] + [False] * 9]


@pytest.mark.parametrize("batch_size", [1, 3, 7, 50])
def test_every_held_out_symbol_is_a_target_once(batch_size):
    text = np.arange(30, dtype=np.int32)
    targets = []
    for batch in held_out_windows(text, batch_size, window=4):
        assert batch.size == batch_size
        valid = batch.target_weights(per_step=True).bool()
        assert torch.equal(batch.targets[valid], batch.inputs[valid] + 1)
        targets += batch.targets[valid].tolist()
    assert sorted(targets) == list(range(1, 30))


def test_too_many_streams():
    with pytest.raises(ArgumentError, match="at most 4"):
        training_window(np.arange(5, dtype=np.int32), 0, batch_size=5, window=2)
