"""`ostinato bench`."""

from __future__ import annotations

import json

import pytest

from ostinato.bench import run as measurement
from ostinato.bench.machine import this_machine
from ostinato.bench.measure import Timing
from ostinato.cli.__main__ import main

TIMING = Timing(2.0, (1.5, 2.5), 1.0, 2.0)


@pytest.fixture(autouse=True)
def no_clock(monkeypatch):
    monkeypatch.setattr(measurement, "time_contest", lambda contest, mode, repeats: TIMING)
    monkeypatch.setattr(measurement, "disagreement", lambda contest: None)


def test_a_case_is_shown_and_written(capsys, tmp_path):
    words = ["--quick", "--threads", "1", "--json", str(tmp_path / "all.json"), "--out"]
    assert main(["bench", "elman,leaky", *words, str(tmp_path)]) == 0
    assert "elman against nn.RNN" in capsys.readouterr().out
    told = json.loads((tmp_path / "all.json").read_text())
    assert {row["case"] for row in told["rows"]} == {"elman", "leaky"}
    assert told["repeats"] == 3
    assert (tmp_path / this_machine().slug / "results.md").exists()


def test_a_stopped_run_goes_on(tmp_path, monkeypatch, capsys):
    file = tmp_path / "all.json"
    words = ["--quick", "--threads=1", f"--json={file}"]
    calls = []

    def stop(contest, mode, repeats):
        calls.append(mode)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return TIMING

    monkeypatch.setattr(measurement, "time_contest", stop)
    assert main(["bench", "elman", *words]) == 130
    assert len(json.loads(file.read_text())["rows"]) == 2
    assert main(["bench", "elman,auto-leaky", *words, "--resume"]) == 0
    assert len(calls) == 4 + 2 + 8
    told = json.loads(file.read_text())
    assert [row["case"] for row in told["rows"]] == ["elman"] * 4 + ["auto-leaky"] * 8
    capsys.readouterr()
    assert main(["bench", "elman", "--resume"]) == 2
    assert "--resume needs --json" in capsys.readouterr().err


def test_a_red_gate_has_status_1(capsys, monkeypatch):
    monkeypatch.setattr(measurement, "disagreement", lambda contest: "outputs differ")
    assert main(["bench", "elman", "--quick"]) == 1
    said = capsys.readouterr()
    assert "none: they disagree" in said.out
    assert "elman B=1 T=64 H=64: outputs differ" in said.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["lsmt"], "'lstm'"),
        (["elman", "--threads", "1,x"], "e.g. 1,2"),
        (["elman", "--threads", "0"], "1 thread or more"),
    ],
)
def test_a_wrong_word_has_status_2(words, said, capsys):
    assert main(["bench", *words]) == 2
    assert said in capsys.readouterr().err
