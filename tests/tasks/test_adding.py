import pytest
import torch

from ostinato.tasks.adding import AddingTask


@pytest.mark.parametrize("steps", [2, 7, 100])
def test_target_is_the_sum_of_one_value_from_each_half(steps):
    batch = AddingTask(steps=steps).batch(0, 64)
    values, marks = batch.inputs.unbind(-1)
    for row in range(64):
        first, second = marks[row].nonzero().flatten().tolist()
        assert first < steps // 2 <= second
        assert batch.targets[row, 0] == values[row, first] + values[row, second]


def test_constant_scores_one_sixth():
    task = AddingTask(steps=10)
    batch = task.batch(0, 20_000)
    total, count = task.score(torch.ones(20_000, 1), batch)
    assert total / count == pytest.approx(1 / 6, rel=0.03)
