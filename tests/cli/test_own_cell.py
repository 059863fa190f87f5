"""A cell of one's own is trained, continued and measured; its code runs only if it is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from ostinato.cli.__main__ import main

CODE = (Path(__file__).parents[2] / "examples" / "coupled_gates.py").read_text()
SMALL = ["--steps=4", "--hidden-size=8", "--batch-size=4", "--window=8", "--threads=1"]


@pytest.fixture
def run(text_file, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(CODE)
    words = [
        "--cell=mine.py:CoupledGates",
        f"--text={text_file}",
        "--out=run",
        "--sample=5",
        *SMALL,
    ]
    assert main(["train", *words]) == 0
    shown = capsys.readouterr()
    assert "ostinato generate run --cell mine.py:CoupledGates" in shown.out
    assert "engine fused" in shown.err
    return words


def test_reading_the_run_needs_the_name_of_the_cell(run, capsys):
    for command in ("generate", "evaluate"):
        assert main([command, "run"]) == 2
        assert "run only if you name it: --cell mine.py:CoupledGates" in capsys.readouterr().err
        assert main([command, "run", "--cell=mine.py:CoupledGates"]) == 0
    capsys.readouterr()
    assert main(["evaluate", "run", "--cell=LSTM"]) == 1
    assert "do not fit the cell 'LSTM'" in capsys.readouterr().err


def test_other_code_is_another_run(run, tmp_path, capsys):
    (tmp_path / "mine.py").write_text(CODE + "# other\n")
    assert main(["train", *run, "--resume"]) == 1
    assert "code of the cell was" in capsys.readouterr().err


def test_explain_takes_a_cell_of_ones_own(tmp_path, monkeypatch, capsys):
    (tmp_path / "mine.py").write_text(CODE)
    words = ["--input-size=3", "--hidden-size=4", "--batch=2", "--steps=3"]
    assert main(["explain", f"{tmp_path}/mine.py:CoupledGates", *words]) == 0
    assert "chosen →" in capsys.readouterr().out
