"""`ostinato analyze`."""

from __future__ import annotations

import pytest

from ostinato.cli.analyze import analyze
from ostinato.core.errors import ArgumentError


def test_a_table_for_people(text_run, capsys):
    analyze(text_run, sequences=2, steps=20, options={"count": 3})
    heading, *rows = capsys.readouterr().out.splitlines()
    assert "nats a step" in heading
    assert len(rows) == 3


def test_table_and_picture_are_written(copy_run, tmp_path, capsys):
    analyze(copy_run, what="probe", sequences=40, out=tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"probe.csv", "probe.png"}
    assert str(tmp_path / "probe.csv") in capsys.readouterr().out


def test_an_unknown_analysis_is_named(copy_run):
    with pytest.raises(ArgumentError, match="There is no analysis 'lyapunow'"):
        analyze(copy_run, what="lyapunow")
