"""Scores are those of the whole split, however it is divided."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from ostinato.tasks import make_task
from ostinato.tasks.task import Task
from ostinato.train.build import Ports, build_model
from ostinato.train.config import TrainConfig
from ostinato.train.evaluate import evaluate, score_totals


def model_for(task: Task) -> nn.Module:
    return build_model(TrainConfig(steps=1, hidden_size=8, dropout=0.5), Ports.of(task))


@pytest.fixture
def task() -> Task:
    return make_task("delay_copy", delay=1, steps=6, held_out_sequences=70)


def test_it_is_the_metric_over_all_batches(task: Task) -> None:
    model = model_for(task).eval()
    hits, count = 0.0, 0.0
    with torch.no_grad():
        for batch in task.held_out("valid", 70):
            a, b = task.score(model(batch.inputs)[0], batch)
            hits, count = hits + a, count + b
    assert count == 70 * 5
    assert evaluate(model, task, batch_size=32) == pytest.approx(hits / count)


@pytest.mark.parametrize("processes", [2, 3])
def test_processes_share_the_rows(task: Task, processes: int) -> None:
    model = model_for(task)
    parts = [
        score_totals(model, task, "valid", 16, process=p, processes=processes)
        for p in range(processes)
    ]
    whole = score_totals(model, task, "valid", 16)
    torch.testing.assert_close(torch.stack(parts).sum(0), whole)


def test_dropout_is_off_and_the_mode_is_kept(task: Task) -> None:
    model = model_for(task).train()
    assert evaluate(model, task) == evaluate(model, task)
    assert model.training


def test_the_state_is_carried_if_the_task_continues(tmp_path: object) -> None:
    text = tmp_path / "text.txt"
    text.write_text("the quick brown fox jumps over the lazy dog. " * 200)
    scores = []
    for window in (7, 50):
        task = make_task("text", path=str(text), window=window, min_count=1)
        scores.append(evaluate(model_for(task), task, batch_size=4))
    assert scores[0] == pytest.approx(scores[1], rel=1e-5)
