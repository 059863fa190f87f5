"""The learning curve as a table and as a picture."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from ostinato.core.errors import MissingExtraError
from ostinato.train.curve import draw, write_table

EVENTS = [
    {"step": 1, "loss": 2.5, "learning_rate": 0.1, "gradient_norm": 1.0},
    {"step": 2, "loss": 1.5, "learning_rate": 0.2, "gradient_norm": 2.0},
    {"step": 2, "split": "valid", "score": 0.75},
]


def test_the_table_joins_the_events_of_a_step(tmp_path: Path) -> None:
    write_table(EVENTS, tmp_path / "curve.csv")
    with (tmp_path / "curve.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["step"] for row in rows] == ["1", "2"]
    assert [row["score"] for row in rows] == ["", "0.75"]
    assert rows[1]["loss"] == "1.5"
    assert [p.name for p in tmp_path.iterdir()] == ["curve.csv"]


@pytest.mark.parametrize("events", [EVENTS, []])
def test_the_picture_is_a_png(tmp_path: Path, events: list) -> None:
    pytest.importorskip("matplotlib")
    draw(events, tmp_path / "curve.png", "accuracy", "LSTM on text")
    assert (tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG")
    assert [p.name for p in tmp_path.iterdir()] == ["curve.png"]


def test_without_matplotlib_it_says_where_the_table_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "matplotlib", None)
    with pytest.raises(MissingExtraError, match=r"ostinato\[plot\].*curve\.csv"):
        draw(EVENTS, tmp_path / "curve.png", "accuracy", "LSTM")
    assert not list(tmp_path.iterdir())
