from __future__ import annotations

import pytest
import torch

from ostinato.core.errors import CheckpointError
from ostinato.train import checkpoint
from ostinato.train.rl.config import AgentConfig
from ostinato.train.rl.run import Run


@pytest.fixture
def make_run(tmp_path):
    def make(**options):
        small = {
            "environments": 4, "hidden_size": 4, "segment": 5, "steps": 80, "episodes": 6,
            "engine": "reference", "environment_options": {"length": 1, "limit": 4},
            "out": tmp_path,
        }  # fmt: skip
        return Run("t_maze", AgentConfig(**(small | options)))

    return make


def test_the_learning_rate_falls_to_zero_with_the_budget(make_run):
    run = make_run(learning_rate=0.1)
    rates = []
    while not run.is_over:
        rates.append(run.learn()[1])
    assert rates == pytest.approx([0.1, 0.075, 0.05, 0.025])
    assert run.step == 80


def test_evaluations_come_where_a_part_is_done(make_run):
    run, found = make_run(evaluate_every=30), []
    while not run.is_over:
        run.learn()
        found.append((run.step, run.evaluates_now))
    assert found == [(20, False), (40, True), (60, True), (80, True)]


def test_each_evaluation_plays_the_same_and_learns_nothing(make_run):
    run, other = make_run(), make_run()
    first = run.evaluate()
    assert run.evaluate() is first
    assert torch.equal(first.returns, other.evaluate().returns)
    assert first.returns.shape == (6, 1)
    run.learn()
    assert run.evaluation is None
    other.learn()
    assert run.agent.actor.x.equal(other.agent.actor.x)


def test_a_checkpoint_belongs_to_its_settings(make_run):
    run = make_run()
    run.learn()
    run.save()
    path = checkpoint.latest(run.checkpoints)
    again = make_run(episodes=9)
    again.restore(path)
    assert again.step == 20
    with pytest.raises(CheckpointError, match="--hidden_size was 4, is 5"):
        make_run(hidden_size=5).restore(path)
