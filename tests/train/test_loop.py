"""A run can be killed, continued, shared by processes, and stops rather than learn nonsense."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import replace
from io import StringIO
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from ostinato.core.errors import ArgumentError, CheckpointError, TrainingError
from ostinato.tasks.task import Batch
from ostinato.tasks.text import TextTask
from ostinato.train import checkpoint
from ostinato.train.config import TrainConfig
from ostinato.train.early_stopping import StopReason
from ostinato.train.log import read_log
from ostinato.train.loop import train

WORDS = "so much depends upon a red wheel barrow glazed with rain water"

SCRIPT = """
import json, sys
from ostinato.train.config import TrainConfig
from ostinato.train.loop import train
from ostinato.tasks.text import TextTask
import test_loop
TextTask.batch = test_loop.weighted
train(TrainConfig.from_json(json.loads(sys.argv[1])))
"""


@pytest.fixture
def config(tmp_path: Path) -> TrainConfig:
    """A small run with everything in it that has a state."""
    text = tmp_path / "text.txt"
    text.write_text(" ".join(random.Random(0).choices(WORDS.split(), k=2000)))
    return TrainConfig(
        text=str(text),
        window=10,
        task_options={"held_out_characters": 500},
        hidden_size=12,
        layers=2,
        embedding_size=6,
        dropout=0.2,
        batch_size=4,
        steps=24,
        warmup=3,
        learning_rate=1e-2,
        noise_eta=1e-4,
        evaluate_every=10,
        checkpoint_every=4,
        device="cpu",
        threads=1,
        out=tmp_path / "run",
    )


def quietly(config: TrainConfig) -> Any:
    return train(config, StringIO())


PLAIN = TextTask.batch


def weighted(task: TextTask, step: int, batch_size: int) -> Batch:
    """Every target has another weight: the rows of a batch then differ in their sums."""
    batch = PLAIN(task, step, batch_size)
    generator = torch.Generator().manual_seed(step)
    return replace(batch, weights=torch.rand(batch.inputs.shape, generator=generator))


def outcome(folder: Path) -> tuple[list[str], dict[str, torch.Tensor]]:
    last = checkpoint.latest(folder / "checkpoints")
    lines = (folder / "log.jsonl").read_text().splitlines()
    return lines, load_file(last / checkpoint.MODEL)


def assert_same(one: Path, other: Path) -> None:
    (lines, weights), (other_lines, other_weights) = outcome(one), outcome(other)
    assert lines == other_lines
    assert weights.keys() == other_weights.keys()
    assert all(torch.equal(weights[name], other_weights[name]) for name in weights)


def start(config: TrainConfig, *launcher: str) -> subprocess.Popen:
    script = config.out.parent / "script.py"
    script.write_text(SCRIPT)
    environment = os.environ | {
        "PYTHONPATH": str(Path(__file__).parent),
        "OMP_NUM_THREADS": "1",
        "ACCELERATE_USE_CPU": "1",
    }
    return subprocess.Popen(
        [sys.executable, *launcher, str(script), json.dumps(config.to_json())],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


def finish(process: subprocess.Popen) -> None:
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 0, output.decode()[-3000:]


def test_a_run_learns_and_leaves_its_files(config: TrainConfig) -> None:
    result = quietly(replace(config, steps=60, dropout=0.0, learning_rate=3e-2))
    assert result.reason is StopReason.STEPS
    assert result.steps == 60
    scores = [event["score"] for event in read_log(result.log) if "score" in event]
    assert len(scores) == 6
    assert result.score == min(scores) < 0.95 * scores[0]
    losses = [event["loss"] for event in read_log(result.log) if "loss" in event]
    assert len(losses) == 60
    assert result.checkpoint.name == "step-00000060"
    assert (result.folder / "curve.csv").exists()
    summary = json.loads((result.folder / "result.json").read_text())
    assert summary["score"] == result.score
    assert summary["reason"] == "STEPS"


def test_a_run_repeats_itself_bit_for_bit(config: TrainConfig, tmp_path: Path) -> None:
    quietly(config)
    torch.rand(3)
    quietly(replace(config, out=tmp_path / "again"))
    assert_same(config.out, tmp_path / "again")


def test_the_callers_random_numbers_are_not_moved(config: TrainConfig) -> None:
    before = torch.get_rng_state()
    quietly(replace(config, steps=2))
    assert torch.equal(before, torch.get_rng_state())


def test_killed_at_any_moment_it_continues_bit_for_bit(
    config: TrainConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = replace(config, steps=200, evaluate_every=50, checkpoint_every=7)
    killed = replace(config, out=tmp_path / "killed", resume=True)
    kills = 0
    for lines in sorted(random.sample(range(1, 150), 2)):
        process = start(killed)
        while process.poll() is None and lines_in(killed.out / "log.jsonl") < lines:
            time.sleep(0.01)
        time.sleep(random.uniform(0, 0.03))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        kills += process.returncode == -signal.SIGKILL
    finish(start(killed))
    assert kills == 2
    monkeypatch.setattr(TextTask, "batch", weighted)
    quietly(config)
    assert_same(config.out, killed.out)


def lines_in(path: Path) -> int:
    return path.read_bytes().count(b"\n") if path.exists() else 0


def test_two_processes_train_as_one_with_the_doubled_batch(
    config: TrainConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = replace(config, dropout=0.0, steps=12)
    shared = replace(config, out=tmp_path / "shared")
    finish(start(shared, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"))
    monkeypatch.setattr(TextTask, "batch", weighted)
    quietly(replace(config, batch_size=8))
    one, two = (list(read_log(folder / "log.jsonl")) for folder in (config.out, shared.out))
    assert [event["step"] for event in one] == [event["step"] for event in two]
    for a, b in zip(one, two, strict=True):
        name = "loss" if "loss" in a else "score"
        assert a[name] == pytest.approx(b[name], abs=1e-6)


@pytest.mark.parametrize("steps", [10, 14])
def test_ctrl_c_saves_and_the_continued_run_is_the_same(
    config: TrainConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, steps: int
) -> None:
    quietly(config)

    def interrupting(task: TextTask, step: int, batch_size: int) -> Batch:
        if step == steps - 1:
            signal.raise_signal(signal.SIGINT)
        return PLAIN(task, step, batch_size)

    stopped = replace(config, out=tmp_path / "stopped")
    with monkeypatch.context() as patch:
        patch.setattr(TextTask, "batch", interrupting)
        result = quietly(stopped)
    assert result.reason is StopReason.INTERRUPTED
    assert result.checkpoint.name == f"step-{steps:08d}"
    quietly(replace(stopped, resume=True))
    assert_same(config.out, stopped.out)


def test_a_loss_that_is_not_finite_stops_and_keeps_nothing(
    config: TrainConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = TextTask.loss

    def breaking(task: TextTask, outputs: torch.Tensor, batch: Batch) -> torch.Tensor:
        bad = torch.equal(batch.inputs, task.batch(14, 4).inputs)
        return plain(task, outputs, batch) * (float("nan") if bad else 1.0)

    monkeypatch.setattr(TextTask, "loss", breaking)
    with pytest.raises(TrainingError, match=r"step 14 .* nan .*step-00000012.*--learning_rate"):
        quietly(config)
    last = checkpoint.latest(config.out / "checkpoints")
    assert checkpoint.step_of(last) == 12
    assert all(t.isfinite().all() for t in load_file(last / checkpoint.MODEL).values())
    assert max(event["step"] for event in read_log(config.out / "log.jsonl")) == 14


def test_a_gradient_that_is_not_finite_stops_too(
    config: TrainConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    def steep(task: TextTask, outputs: torch.Tensor, batch: Batch) -> torch.Tensor:
        return (outputs * 0).sum().sqrt()

    monkeypatch.setattr(TextTask, "loss", steep)
    with pytest.raises(TrainingError, match=r"step 0 the loss is 0.0 .* no checkpoint yet"):
        quietly(config)


def test_other_settings_are_refused_by_name(config: TrainConfig) -> None:
    quietly(replace(config, steps=4))
    changed = replace(config, steps=4, learning_rate=0.5, hidden_size=13, resume=True)
    with pytest.raises(CheckpointError, match="--hidden_size was 12, is 13; --learning_rate was"):
        quietly(changed)


def test_other_data_are_refused(config: TrainConfig) -> None:
    quietly(replace(config, steps=4))
    text = Path(config.text)
    text.write_text(text.read_text().replace("red", "ret"))
    with pytest.raises(CheckpointError, match="data: train_sha256"):
        quietly(replace(config, steps=4, resume=True))


def test_a_finished_run_says_so(config: TrainConfig) -> None:
    first = quietly(replace(config, steps=4))
    stream = StringIO()
    second = train(replace(config, steps=4, resume=True), stream)
    assert "is finished" in stream.getvalue()
    assert (second.steps, second.score, second.reason) == (4, first.score, StopReason.STEPS)


def test_a_folder_with_a_run_is_refused_before_anything_is_read(config: TrainConfig) -> None:
    quietly(replace(config, steps=4))
    with pytest.raises(ArgumentError, match="already holds a run"):
        quietly(replace(config, text="there is no such file"))
    assert quietly(replace(config, steps=4, overwrite=True)).steps == 4


def test_resuming_nothing_starts_at_the_beginning(config: TrainConfig) -> None:
    stream = StringIO()
    assert train(replace(config, steps=2, resume=True), stream).steps == 2
    assert "starting at step 0" in stream.getvalue()


def test_a_damaged_checkpoint_is_passed_over_and_the_run_is_the_same(
    config: TrainConfig, tmp_path: Path
) -> None:
    quietly(config)
    other = replace(config, out=tmp_path / "other")
    quietly(other)
    last = checkpoint.latest(other.out / "checkpoints")
    (last / checkpoint.TRAINING).write_bytes(b"half")
    with pytest.warns(UserWarning, match=last.name):
        quietly(replace(other, resume=True))
    assert_same(config.out, other.out)


def test_patience_ends_a_run(config: TrainConfig) -> None:
    result = quietly(
        replace(config, learning_rate=1e-12, noise_eta=0.0, patience=2, evaluate_every=2, steps=99)
    )
    assert result.reason is StopReason.PATIENCE
    assert result.steps < 99
    assert result.best_checkpoint is not None


def test_minutes_plan_the_steps_and_are_kept(
    config: TrainConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = replace(config, steps=None, minutes=0.1, evaluate_every=None, checkpoint_every=None)
    ticks = count()
    monkeypatch.setattr("ostinato.train.budget.time.monotonic", lambda: 0.03 * next(ticks))
    result = quietly(config)
    assert result.reason is StopReason.STEPS
    assert 5 < result.seconds < 6.3
    assert checkpoint.load(result.checkpoint)["budget"]["plan"] == result.steps
    rates = [e["learning_rate"] for e in read_log(result.log) if "learning_rate" in e]
    assert len(rates) == result.steps > 30
    assert max(rates) == rates[config.warmup]
    assert rates[-1] < 0.01 * max(rates)


def test_the_time_is_kept_even_if_the_machine_stalls(
    config: TrainConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = replace(config, steps=None, minutes=0.1)
    ticks = count()
    monkeypatch.setattr(
        "ostinato.train.budget.time.monotonic", lambda: 0.01 * (k := next(ticks)) + 9 * (k > 400)
    )
    result = quietly(config)
    assert result.reason is StopReason.MINUTES
    assert result.score is not None


def test_low_precision_trains_too(config: TrainConfig) -> None:
    result = quietly(replace(config, precision="bf16", steps=6))
    losses = [event["loss"] for event in read_log(result.log) if "loss" in event]
    assert losses[-1] < losses[0]
    weights = load_file(result.checkpoint / checkpoint.MODEL)
    assert {w.dtype for w in weights.values()} == {torch.float32}


def test_a_missing_device_is_named(config: TrainConfig) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a CUDA device")
    with pytest.raises(ArgumentError, match="--device cpu"):
        quietly(replace(config, device="cuda"))
