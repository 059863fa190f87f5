import torch

from ostinato.tasks.running_parity import RunningParityTask


def test_targets_count_the_ones_so_far():
    batch = RunningParityTask(steps=9).batch(0, 20)
    for t in range(9):
        assert torch.equal(batch.targets[:, t], batch.inputs[:, : t + 1].sum(1) % 2)


def test_held_out_sequences_are_longer_and_scored_at_their_end():
    task = RunningParityTask(steps=4, held_out_steps=12, held_out_sequences=30)
    (batch,) = task.held_out("valid", 100)
    assert batch.inputs.shape == (30, 12)
    outputs = torch.nn.functional.one_hot(1 - batch.targets, 2).float()
    assert task.score(outputs, batch) == (0, 30)
    outputs[:, -1] = 1 - outputs[:, -1]
    assert task.score(outputs, batch) == (30, 30)
