"""The command writes a table, and goes on with it."""

from __future__ import annotations

import json

import pytest

from ostinato.bench.sweep import __main__ as command
from ostinato.bench.sweep.grid import shortened
from ostinato.bench.sweep.grids import GRIDS

from .conftest import InPlace


@pytest.fixture
def short(monkeypatch):
    """One cell of the table, measured in this process."""

    def one(grid):
        found = shortened(grid)
        return type(found)(**vars(found) | {"spots": found.spots[:1]})

    monkeypatch.setattr(command, "shortened", one)
    monkeypatch.setattr(command, "Worker", InPlace)


def test_a_table_is_measured_once(short, tmp_path, monkeypatch, capsys):
    pytest.importorskip("matplotlib")
    arguments = ["plstm", "--quick", "--out", str(tmp_path)]
    command.main(arguments)
    (folder,) = tmp_path.iterdir()
    assert {path.name for path in folder.iterdir()} == {"plstm.json", "plstm.md", "plstm.png"}
    entries = json.loads((folder / "plstm.json").read_text())["entries"]
    assert [e["question"]["engine"] for e in entries if e["ms"]] == [
        name for name in GRIDS["plstm"].engines for _ in range(2)
    ]
    monkeypatch.setattr("ostinato.bench.sweep.sweep.ask", None)
    command.main(arguments)
    assert f"{len(entries)} of {len(entries)}" in capsys.readouterr().out
