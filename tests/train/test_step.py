"""One optimizer step by hand is the step of the run."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

from ostinato.core.errors import TrainingError
from ostinato.train.build import Ports, build_model, build_optimizer, build_task
from ostinato.train.config import TrainConfig
from ostinato.train.early_stopping import StopReason
from ostinato.train.interrupt import Interrupt
from ostinato.train.run import Run
from ostinato.train.step import advance


@pytest.fixture
def config(tmp_path: Path) -> TrainConfig:
    return TrainConfig(
        task="delay_copy",
        task_options={"delay": 1, "steps": 5, "held_out_sequences": 10},
        hidden_size=6,
        batch_size=3,
        steps=9,
        warmup=4,
        clip=0.05,
        device="cpu",
        out=tmp_path / "run",
    )


def test_it_is_backward_clip_and_adamw(config: TrainConfig) -> None:
    run, interrupt = Run(config), Interrupt()
    task = build_task(config)
    model = build_model(config, Ports.of(task))
    optimizer = build_optimizer(config, model)
    for k in range(3):
        step = advance(run, interrupt)
        batch = task.batch(k, 3)
        loss = task.loss(model(batch.inputs)[0], batch)
        optimizer.zero_grad()
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(model.parameters(), 0.05)
        for group in optimizer.param_groups:
            group["lr"] = config.learning_rate * (k + 1) / 5
        optimizer.step()
        assert step.loss == pytest.approx(loss.item())
        assert step.gradient_norm == pytest.approx(norm.item())
        assert step.learning_rate == pytest.approx(config.learning_rate * (k + 1) / 5)
        assert step.items == 3 * 4
        assert step.stop is None
    assert run.step == 3
    for ours, theirs in zip(run.model.parameters(), model.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


def test_wishes_to_stop(config: TrainConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    run, interrupt = Run(config), Interrupt()
    monkeypatch.setattr(run.budget, "is_over", lambda: True)
    assert advance(run, interrupt).stop is StopReason.MINUTES
    interrupt.requested = True
    assert advance(run, interrupt).stop is StopReason.INTERRUPTED


def test_a_bad_step_changes_nothing(config: TrainConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    run, interrupt = Run(config), Interrupt()
    advance(run, interrupt)
    before = [p.detach().clone() for p in run.model.parameters()]
    moments = run.optimizer.state_dict()["state"][0]["exp_avg"].clone()
    monkeypatch.setattr(run.task, "loss", lambda outputs, batch: outputs.sum() * math.inf)
    with pytest.raises(TrainingError, match="in step 1 "):
        advance(run, interrupt)
    assert run.step == 1
    assert all(torch.equal(a, b) for a, b in zip(before, run.model.parameters(), strict=True))
    assert torch.equal(moments, run.optimizer.state_dict()["state"][0]["exp_avg"])
