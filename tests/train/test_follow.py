"""Runs on a stream, also in processes of their own that are killed."""

from __future__ import annotations

import io
import json
import subprocess
import sys

import pytest

from ostinato.core.errors import ArgumentError
from ostinato.train import checkpoint
from ostinato.train.config import TrainConfig
from ostinato.train.follow import learn_stream
from ostinato.train.log import read_log

LINES = [f"line {i % 3} of a log\n" for i in range(12)]
OPTIONS = {"cell": "ELSTM", "hidden_size": 8, "engine": "reference", "checkpoint_every": 5}


def run(out, text, **options):
    screen = io.StringIO()
    config = TrainConfig(out=out, text=str(text), **({"steps": 10**6} | OPTIONS | options))
    return learn_stream(config, screen=screen), screen.getvalue()


def test_a_file_that_grew_is_read_on(tmp_path):
    file = tmp_path / "log.txt"
    file.write_text("".join(LINES))
    whole, shown = run(tmp_path / "whole", file)
    assert "bits per character of late" in shown
    assert whole.position == len("".join(LINES))
    file.write_text("".join(LINES[:5]))
    run(tmp_path / "parts", file)
    file.write_text("".join(LINES))
    parts, shown = run(tmp_path / "parts", file, resume=True)
    assert shown.startswith("continuing after 5 updates, 80 bytes")
    assert parts.tally == whole.tally
    logs = [list(read_log(tmp_path / name / "log.jsonl")) for name in ("whole", "parts")]
    assert logs[0] == logs[1]


def test_it_stops_after_so_many_updates_and_keeps_them(tmp_path):
    file = tmp_path / "log.txt"
    file.write_text("".join(LINES))
    found, _ = run(tmp_path / "run", file, steps=7)
    assert found.step == 7
    assert checkpoint.latest(tmp_path / "run" / "checkpoints").name == "step-00000007"
    with pytest.raises(ArgumentError, match="already holds a run"):
        run(tmp_path / "run", file)


def test_killed_between_checkpoints_it_says_what_was_lost(tmp_path):
    out = tmp_path / "run"
    words = [f"--{name}={value}" for name, value in OPTIONS.items()]
    command = [sys.executable, "-m", "ostinato", "train", "--online", "--out", str(out), *words]
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    with subprocess.Popen(command, text=True, **pipes) as process:
        process.stdin.write("".join(LINES[:8]))  # 8 updates, a checkpoint after 5
        process.stdin.flush()
        log = out / "log.jsonl"
        while not log.exists() or len(log.read_text().splitlines()) < 8:
            assert process.poll() is None, process.stderr.read()
        process.kill()
    resumed = subprocess.run(
        [*command, "--resume"], input="".join(LINES[8:]), text=True, capture_output=True
    )
    assert resumed.returncode == 0, resumed.stderr
    begun = next(line for line in resumed.stderr.splitlines() if line.startswith("continuing"))
    assert "48 bytes, 3 updates, were learned after it and came through a pipe" in begun
    assert "in 9 updates" in resumed.stdout
    steps = [json.loads(line)["step"] for line in log.read_text().splitlines()]
    assert steps == list(range(1, 10))
