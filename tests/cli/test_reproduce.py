"""`ostinato reproduce`."""

from __future__ import annotations

import json

import pytest

from ostinato.cli import reproduce as module
from ostinato.cli.__main__ import main
from ostinato.experiments.experiment import Claim, Curve, Experiment, Measurement, Panel

CLAIM = Claim("seeds", "many", at_least=2.0)
OTHER = Claim("nothing", "0", at_most=0.0)


@pytest.fixture(autouse=True)
def tiny(monkeypatch):
    """An experiment that measures how many seeds it was given."""

    def measure(scale, seeds, track):
        list(track(range(2), f"scale {scale}"))
        curves = [Curve("c", [0], [[1.0]] * seeds)]
        return Measurement({CLAIM: [float(seeds)] * seeds}, [Panel("x", "y", curves)])

    def nothing(scale, seeds, track):
        return Measurement({OTHER: [0.0] * seeds}, [])

    parts = {"seeds": measure, "nothing": nothing}
    experiment = Experiment("deer", "Tiny", (OTHER, CLAIM), {"small": 1, "paper": 2}, parts)
    monkeypatch.setattr(module, "find_experiment", lambda slug: experiment)


@pytest.mark.parametrize(("seeds", "verdict"), [("3", "yes"), ("1", "no")])
def test_both_outcomes_are_results(seeds, verdict, tmp_path, capsys):
    assert main(["reproduce", "deer", "--seeds", seeds, "--out", str(tmp_path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == f"reproduced: {verdict}"
    stored = json.loads((tmp_path / "result.json").read_text())
    assert stored["seeds"] == int(seeds)
    assert stored["reproduced"] is (verdict == "yes")
    assert stored["scale"] == "small"


def test_the_folder_is_named_after_paper_and_scale(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["reproduce", "deer", "--scale", "paper"]) == 0
    assert (tmp_path / "runs" / "reproduce" / "deer-paper" / "result.json").exists()
    assert "runs/reproduce/deer-paper/curves.csv" in capsys.readouterr().out


def test_a_part_has_a_folder_of_its_own(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["reproduce", "deer", "--part", "seeds"]) == 0
    stored = (tmp_path / "runs" / "reproduce" / "deer-small-seeds" / "result.json").read_text()
    assert [row["claim"] for row in json.loads(stored)["rows"]] == ["seeds"]
    assert main(["reproduce", "deer", "--part", "seed"]) == 2
    assert "'seeds'" in capsys.readouterr().err


def test_a_wrong_scale_has_status_2(capsys):
    assert main(["reproduce", "deer", "--scale", "huge"]) == 2
    assert "huge" in capsys.readouterr().err


def test_a_run_is_gone_on_with_where_it_is_asked_for(tmp_path, capsys):
    out = ["--out", str(tmp_path)]
    assert main(["reproduce", "deer", *out]) == 0
    assert "taken from" not in capsys.readouterr().err
    assert main(["reproduce", "deer", *out, "--resume"]) == 0
    told = capsys.readouterr()
    assert f"seeds: taken from {tmp_path / 'parts' / 'seeds.json'}" in told.err
    assert told.out.splitlines()[-1] == "reproduced: yes"
    assert main(["reproduce", "deer", *out, "--resume", "--seeds", "2"]) == 1
    assert "seeds was 3, is 2" in capsys.readouterr().err
