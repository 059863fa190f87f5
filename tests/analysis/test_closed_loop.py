from __future__ import annotations

import pytest
import torch
from torch import nn

from ostinato.analysis.closed_loop import closed_loop
from ostinato.cells import make_cell
from ostinato.models.sequence_model import SequenceModel
from ostinato.over.time import RNN
from ostinato.tasks.cart_pole import CartPoleTask


def policy(bias=0.0):
    torch.manual_seed(0)
    head = nn.Linear(4, 1)
    with torch.no_grad():
        head.weight.zero_()
        head.bias.fill_(bias)
    return SequenceModel(nn.Identity(), RNN(make_cell("CfC", 2, 4)), head)


def test_every_world_is_tried_on_the_same_episodes():
    task = CartPoleTask(5)
    task.horizon = 60
    found = closed_loop(policy(), task, episodes=20)
    assert found.worlds == tuple(task.environments())
    assert found.returns.shape == (6, 20)
    assert torch.equal(found.returns, closed_loop(policy(), task, episodes=20).returns)
    # A longer pole falls more slowly, and one that is pushed to one side faster.
    assert found.mean["pole × 5"] > found.mean["as trained"]
    assert closed_loop(policy(1.0), task, episodes=20).mean["as trained"] < 40


def test_the_table_relates_worlds_to_that_of_the_training():
    task = CartPoleTask(5)
    task.horizon = 10
    found = closed_loop(policy(1.0), task, episodes=5)
    assert found.table().rows[0][3] == pytest.approx(1)
    assert len(found.plot().axes[0].patches) == 6
