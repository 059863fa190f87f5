"""How long a cell takes to be ready, in processes of their own."""

from __future__ import annotations

import json
import os
import subprocess

import pytest

from ostinato.bench import compile_time
from ostinato.bench.compile_time import compile_rows, main, ready_seconds
from ostinato.bench.steps import ElmanStep
from ostinato.core.errors import OstinatoError
from ostinato.experiments import stopwatch


def test_the_second_process_finds_the_cache_of_the_first(monkeypatch):
    folders = []

    def process(steps, folder):
        folders.append((folder, os.path.isdir(folder)))
        return 2.0, 1.0

    monkeypatch.setattr(compile_time, "_in_process", process)
    rows = list(compile_rows(5))
    assert [(row.steps, row.cache) for row in rows] == [(5, "cold"), (5, "warm")]
    assert len(set(folders)) == 1
    assert folders[0][1]
    assert not os.path.exists(folders[0][0])


def test_the_run_itself_is_not_counted(monkeypatch):
    readings = iter([0.0, 5.0, 6.0, 7.5])
    monkeypatch.setattr(stopwatch.time, "perf_counter", lambda: next(readings))
    assert ready_seconds(ElmanStep(64, 64), 3) == pytest.approx(5.0 - 1.5)


def test_the_process_prints_both_cells(monkeypatch, capsys):
    monkeypatch.setattr(compile_time, "ready_seconds", lambda cell, steps: steps)
    main(7)
    assert json.loads(capsys.readouterr().out) == [7, 7]


def test_a_process_that_fails_says_why(monkeypatch):
    done = subprocess.CompletedProcess([], 1, "", "no space left")
    monkeypatch.setattr(compile_time.subprocess, "run", lambda *args, **kwargs: done)
    with pytest.raises(OstinatoError, match="no space left"):
        next(compile_rows(5))


@pytest.mark.slow
def test_a_full_cache_is_faster():
    cold, warm = compile_rows(8)
    assert warm.next < cold.next
