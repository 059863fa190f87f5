import pytest
import torch

from ostinato.tasks.word_problem import WordProblemTask


@pytest.mark.parametrize("group", ["S3", "A5", "Z7"])
@pytest.mark.parametrize("steps", [1, 2, 13])
def test_targets_are_the_products_step_by_step(group, steps):
    task = WordProblemTask(group, steps=steps)
    batch = task.batch(3, 4)
    product = torch.zeros(4, dtype=torch.long)
    for t in range(steps):
        product = task.table[batch.inputs[:, t], product]
        assert torch.equal(batch.targets[:, t], product)


def test_held_out_sequences_are_longer():
    task = WordProblemTask("S3", steps=4, held_out_steps=12, held_out_sequences=30)
    (batch,) = task.held_out("valid", 100)
    assert batch.inputs.shape == batch.targets.shape == (30, 12)
    assert task.inputs.count == task.outputs.count == 6
