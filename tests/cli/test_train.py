"""`ostinato train`."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from ostinato.cli import train as module
from ostinato.cli.__main__ import main
from ostinato.tasks.ngram import ngram_bits
from ostinato.tasks.text import TextTask
from ostinato.train import loop
from ostinato.train.config import TrainConfig
from ostinato.train.early_stopping import StopReason
from ostinato.train.result import TrainResult

SMALL = ["--steps=12", "--hidden-size=16", "--batch-size=8", "--window=16", "--threads=1"]


@pytest.fixture
def configured(monkeypatch):
    """The configuration with which training would have begun."""
    seen = []

    def begin(config):
        seen.append(config)
        raise KeyboardInterrupt

    monkeypatch.setattr(loop, "train", begin)
    return seen


def test_text_is_trained_compared_and_continued(text_file, tmp_path, capsys):
    out = tmp_path / "run"
    assert main(["train", "--text", str(text_file), "--out", str(out), *SMALL, "--sample=50"]) == 0
    shown = capsys.readouterr().out
    task = TextTask(str(text_file))
    floor = ngram_bits(task.texts["train"], task.texts["valid"], 5)[-1]
    assert f"not better than 5-grams, {floor:.3f}" in shown
    sample = shown.split("50 characters that it writes:\n\n")[1].split("\n\nmore of it:")[0]
    assert len(sample) == 50
    for name in ("curve.png", "curve.csv", "log.jsonl", "checkpoints"):
        assert f"{out}/{name}" in shown
        assert (out / name).exists()


def test_a_better_model_is_said_to_be_better(tmp_path, capsys):
    task = TextTask(__file__)
    score = ngram_bits(task.texts["train"], task.texts["valid"], 5)[-1] - 0.1
    result = TrainResult(
        tmp_path, StopReason.STEPS, 1, "bits per character", score, None, None, tmp_path, None, 1.0
    )
    module._report_text(result, task, "LSTM", 10)
    assert f"{score:.3f} bits per character, better than" in capsys.readouterr().out


def test_other_tasks_report_their_metric(tmp_path, capsys):
    out = str(tmp_path / "run")
    words = ["--task=delay_copy", "--steps=5", "--hidden-size=8", "--cell=GRU"]
    assert main(["train", "--out", out, *words]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("held-out score: ")
    assert "accuracy" in shown
    assert "5-grams" not in shown


def test_nothing_at_all_is_the_main_job(configured):
    assert main(["train"]) == 130
    assert configured == [TrainConfig(minutes=module.MINUTES)]
    assert configured[0].task == "text"


def test_a_budget_of_steps_has_no_limit_of_time(configured):
    main(["train", "--steps", "7"])
    assert configured == [TrainConfig(steps=7)]


def test_a_file_configures_a_run(configured, tmp_path):
    file = tmp_path / "run.yaml"
    file.write_text("cell: GRU\nhidden_size: 8\nsteps: 3\ntask_options: {unit: bytes}\n")
    main(["train", "--config", str(file), "--hidden_size", "9"])
    assert configured == [
        TrainConfig(cell="GRU", hidden_size=9, steps=3, task_options={"unit": "bytes"})
    ]


def test_a_stream_is_learned_while_it_is_read(tmp_path, capsys):
    file, out = tmp_path / "log.txt", tmp_path / "run"
    file.write_text("one line\n" * 4)
    words = ["--cell=ELSTM", "--hidden-size=8", "--engine=reference", "--out", str(out)]
    assert main(["train", "--online", "--text", str(file), *words]) == 0
    assert "learned 36 bytes in 4 updates" in capsys.readouterr().out
    assert list((out / "checkpoints").glob("step-00000004"))


def test_what_belongs_to_streams_is_refused_elsewhere(capsys):
    assert main(["train", "--follow"]) == 2
    assert "belong to --online" in capsys.readouterr().err
    assert main(["train", "--online", "--follow"]) == 2
    assert "--follow needs --text FILE" in capsys.readouterr().err


def test_an_interrupted_run_says_how_to_go_on(monkeypatch, tmp_path, capsys):
    result = TrainResult(
        tmp_path, StopReason.INTERRUPTED, 1, "accuracy", None, None, None, tmp_path, None, 1.0
    )
    monkeypatch.setattr(loop, "train", lambda config: result)
    assert main(["train", "--out", str(tmp_path)]) == 130
    assert "--resume" in capsys.readouterr().out


def test_of_several_processes_one_tells(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("RANK", "1")
    result = TrainResult(
        tmp_path, StopReason.STEPS, 1, "accuracy", 0.5, None, None, tmp_path, None, 1.0
    )
    monkeypatch.setattr(loop, "train", lambda config: result)
    assert main(["train", "--out", str(tmp_path)]) == 0
    assert capsys.readouterr().out == ""


@pytest.mark.skipif(sys.platform == "win32", reason="sends SIGINT")
def test_ctrl_c_ends_a_run_with_130_and_a_checkpoint(text_file, tmp_path):
    out = tmp_path / "run"
    words = ["train", "--text", str(text_file), "--out", str(out), "--minutes=5", *SMALL[1:]]
    command = [sys.executable, "-m", "ostinato", *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        for line in process.stderr:
            if b"step" in line:
                break
        process.send_signal(signal.SIGINT)
        said, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert b"--resume" in said
    assert b"Traceback" not in errors
    assert list((out / "checkpoints").glob("step-*"))


def test_the_folder_of_a_run_is_not_overwritten(text_run, capsys):
    assert main(["train", "--out", str(text_run), "--steps", "1"]) == 2
    assert "already holds a run" in capsys.readouterr().err
