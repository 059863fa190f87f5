"""What changes while training gets into a checkpoint and out of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from ostinato.core.errors import CheckpointError
from ostinato.core.state import leaves
from ostinato.train import checkpoint
from ostinato.train.config import TrainConfig
from ostinato.train.early_stopping import StopReason
from ostinato.train.interrupt import Interrupt
from ostinato.train.run import Run, threads
from ostinato.train.step import advance


@pytest.fixture
def config(tmp_path: Path) -> TrainConfig:
    (tmp_path / "text.txt").write_text("a rose is a rose is a rose. " * 50)
    return TrainConfig(
        text=str(tmp_path / "text.txt"),
        window=7,
        hidden_size=5,
        layers=2,
        batch_size=3,
        steps=9,
        noise_eta=0.1,
        device="cpu",
        out=tmp_path / "run",
    )


def test_a_restored_run_is_the_run(config: TrainConfig) -> None:
    first, interrupt = Run(config), Interrupt()
    for _ in range(3):
        advance(first, interrupt)
    first.stopping.update(2.0, 3)
    first.finished = StopReason.PATIENCE
    first.save()
    second = Run(config)
    second.restore(checkpoint.latest(first.checkpoints))
    assert (second.step, second.finished) == (3, StopReason.PATIENCE)
    assert second.stopping.state_dict() == first.stopping.state_dict()
    assert second.transforms.state_dict() == first.transforms.state_dict()
    assert isinstance(second.state, tuple)
    for a, b in zip(leaves(first.state), leaves(second.state), strict=True):
        assert torch.equal(a, b)
    assert advance(first, interrupt) == advance(second, interrupt)
    for a, b in zip(first.model.parameters(), second.model.parameters(), strict=True):
        assert torch.equal(a, b)


def test_what_differs_is_named(config: TrainConfig) -> None:
    run = Run(config)
    run.save()
    with pytest.raises(CheckpointError, match=r"--clip was 1\.0, is 2\.0\. .*--out"):
        Run(replace(config, clip=2.0)).restore(checkpoint.latest(run.checkpoints))


def test_place_and_speed_may_differ(config: TrainConfig, tmp_path: Path) -> None:
    run = Run(config)
    run.save()
    other = Run(replace(config, out=tmp_path / "other", threads=1, tensorboard=True))
    other.restore(checkpoint.latest(run.checkpoints))


def test_two_runs_in_one_process_may_differ_in_precision(config: TrainConfig) -> None:
    assert Run(config).accelerator.mixed_precision == "no"
    assert Run(replace(config, precision="bf16")).accelerator.mixed_precision == "bf16"


def test_threads_are_set_for_a_while() -> None:
    before = torch.get_num_threads()
    with threads(1):
        assert torch.get_num_threads() == 1
    with threads(None):
        assert torch.get_num_threads() == before
    assert torch.get_num_threads() == before
