from __future__ import annotations

import pytest
import torch

from ostinato.core.errors import ArgumentError
from ostinato.tasks.imitation import ImitationTask
from ostinato.tasks.task import Values


class Echo(ImitationTask):
    name = "echo"
    inputs = outputs = Values(1)
    horizon = 3

    def demonstrate(self, episodes, generator):
        seen = torch.rand(episodes, 8, 1, generator=generator)
        return seen, 2 * seen

    def environments(self):
        return {}


def test_batches_are_the_experts_and_the_first_steps_do_not_count():
    task = Echo(20, seed=0)
    batch = task.batch(3, 8)
    assert torch.equal(batch.targets, 2 * batch.inputs)
    assert torch.equal(batch.inputs, Echo(20, seed=0).batch(3, 8).inputs)
    wrong = batch.targets.clone()
    wrong[:, :5] += 100
    assert float(task.loss(wrong, batch)) == 0
    wrong[:, 5] += 1
    assert float(task.loss(wrong, batch)) == pytest.approx(0.5 / 3)


def test_held_out_episodes_are_others():
    task = Echo(20, seed=0)
    held_out = torch.cat([batch.inputs for batch in task.held_out("valid", 3)])
    assert held_out.shape == (4, 8, 1)
    seen = torch.cat([task.batch(step, 10).inputs for step in range(2)])
    assert len(seen.unique(dim=0)) == 20
    assert not (seen[:, None] == held_out[None]).all((2, 3)).any()
    assert task.describe()["mean_action"]["squared_error"] == pytest.approx(1 / 3, rel=0.4)


def test_too_few_demonstrations():
    with pytest.raises(ArgumentError, match="demonstrations must be at least 5"):
        Echo(4, 0)
