"""What an experiment leaves behind."""

from __future__ import annotations

import csv
import json
import math
import sys
from dataclasses import replace

import pytest

from ostinato.experiments.experiment import Claim, Curve, Experiment, Measurement, Panel
from ostinato.experiments.report import progress, save, show, to_json

CLAIMS = (Claim("gain (points)", "1.2", at_least=1.0), Claim("loss", "0.1", at_most=0.2))
PANELS = [Panel("step", "loss", [Curve("plain", [1, 2], [[3.0, 2.0], [4.0, 1.0]])])]


def made(gain=2.0):
    def measure(scale, seeds, track):
        return Measurement({CLAIMS[0]: [gain] * seeds, CLAIMS[1]: [0.1] * seeds}, PANELS)

    return Experiment("deer", "A title", CLAIMS, {"small": None}, measure)


def read(path):
    return list(csv.DictReader(path.read_text().splitlines()))


def test_result_json_has_its_fields(tmp_path):
    save(made().run(seeds=2), tmp_path)
    stored = json.loads((tmp_path / "result.json").read_text())
    assert list(stored) == ["slug", "scale", "seeds", "rows", "reproduced", "seconds"]
    assert stored["seeds"] == 2
    assert stored["reproduced"] is True
    assert stored["rows"][0] == {
        "claim": "gain (points)", "paper": "1.2", "measured": 2.0, "spread": 0.0, "holds": True,
    }  # fmt: skip


def test_a_number_that_is_not_finite_becomes_null():
    stored = to_json(made(math.nan).run(seeds=1))
    assert stored["rows"][0]["measured"] is None
    assert json.loads(json.dumps(stored, allow_nan=False))["reproduced"] is False


def test_tables_hold_rows_and_every_point_of_every_run(tmp_path):
    save(made().run(seeds=2), tmp_path)
    rows = read(tmp_path / "rows.csv")
    assert [row["claim"] for row in rows] == ["gain (points)", "loss"]
    points = read(tmp_path / "curves.csv")
    assert points[3] == {"quantity": "loss", "curve": "plain", "seed": "1", "x": "2", "y": "1.0"}
    assert len(points) == 4


def test_the_picture_is_a_png(tmp_path):
    pytest.importorskip("matplotlib")
    files = save(made().run(), tmp_path)
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")
    assert sorted(path.name for path in files) == sorted(p.name for p in tmp_path.iterdir())


def test_without_matplotlib_the_rest_is_written(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    save(made().run(), tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"result.json", "rows.csv", "curves.csv"}
    assert "ostinato[plot]" in capsys.readouterr().err


@pytest.mark.parametrize(("gain", "verdict"), [(2.0, "yes"), (0.5, "no")])
def test_the_last_line_is_the_verdict(gain, verdict, capsys):
    experiment = made(gain)
    show(experiment, experiment.run(seeds=2))
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == f"reproduced: {verdict}"
    assert any("A title" in line for line in lines)
    said = [line for line in lines if line.startswith("does not hold: ")]
    assert said == ([] if verdict == "yes" else ["does not hold: gain (points): 0.5 ± 0"])


def test_the_table_shows_the_bound_and_the_papers_number(capsys):
    experiment = made()
    result = experiment.run()
    show(experiment, replace(result, rows=[replace(result.rows[0], spread=0.25), result.rows[1]]))
    shown = capsys.readouterr().out
    assert "(holds if every seed ≥ 1)" in shown
    assert "2 ± 0.25" in shown


def test_progress_stays_off_standard_output(capsys):
    with progress() as track:
        assert list(track(range(3), "three steps")) == [0, 1, 2]
    said = capsys.readouterr()
    assert "three steps" in said.err
    assert said.out == ""
