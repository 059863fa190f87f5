"""The log keeps what was written, and forgets what a checkpoint does not know."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ostinato.train.log import Log, read_log


def events(path: Path) -> list[dict]:
    return list(read_log(path))


def test_every_event_is_a_line_that_is_there_at_once(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    with Log(path) as log:
        for step in (1, 2):
            log.write(step, loss=0.1 + step)
            assert len(path.read_text().splitlines()) == step
    assert events(path) == [{"step": 1, "loss": 1.1}, {"step": 2, "loss": 2.1}]


def test_continuing_drops_what_came_after_the_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    with Log(path) as log:
        for step in range(1, 6):
            log.write(step, loss=1.0)
        log.write(3, valid=2.0)
    whole = path.read_text()
    with Log(path, after=3) as log:
        log.write(4, loss=1.0)
    lines = whole.splitlines()
    assert path.read_text().splitlines() == [*lines[:3], lines[5], lines[3]]


@pytest.mark.parametrize("rest", ['{"step": 3, "lo', '{"step": 3}', "\x00\x00\n"])
def test_a_line_that_was_cut_off_is_dropped(tmp_path: Path, rest: str) -> None:
    path = tmp_path / "log.jsonl"
    with Log(path) as log:
        log.write(2, loss=1.0)
    with path.open("a") as file:
        file.write(rest)
    assert events(path) == [{"step": 2, "loss": 1.0}]
    with Log(path, after=2) as log:
        log.write(3, loss=0.5)
    assert [json.loads(line)["step"] for line in path.read_text().splitlines()] == [2, 3]


def test_a_new_run_begins_a_new_log(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    with Log(path) as log:
        log.write(1, loss=1.0)
    Log(path).close()
    assert path.read_text() == ""
    assert events(tmp_path / "absent.jsonl") == []


def test_a_float_keeps_its_bits(tmp_path: Path) -> None:
    with Log(tmp_path / "log.jsonl") as log:
        log.write(1, loss=1 / 3)
    assert events(tmp_path / "log.jsonl")[0]["loss"] == 1 / 3


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_tensorboard_gets_the_same_numbers(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    with Log(tmp_path / "log.jsonl", tensorboard=tmp_path / "tb") as log:
        log.write(1, loss=0.5)
        log.write(2, loss=0.25)
    read = EventAccumulator(str(tmp_path / "tb"))
    read.Reload()
    assert [(e.step, e.value) for e in read.Scalars("loss")] == [(1, 0.5), (2, 0.25)]
