"""`ostinato papers`."""

from __future__ import annotations

import json

from ostinato.cli.papers import papers


def test_json_lists_all_papers_with_title_and_place(capsys):
    papers(json=True)
    listed = json.loads(capsys.readouterr().out)
    assert len(listed) == 44
    assert all(paper["title"] and paper["place"] for paper in listed)
    assert {paper["status"] for paper in listed} <= {"reproduces", "parts", "planned"}


def test_json_of_one_paper(capsys):
    papers("layer-norm", json=True)
    (paper,) = json.loads(capsys.readouterr().out)
    assert paper["title"] == "Layer Normalization"
    assert paper["arxiv"] == "1607.06450"


def test_the_table_has_a_row_for_every_paper_and_counts_them(capsys):
    papers()
    lines = capsys.readouterr().out.splitlines()
    assert sum(" planned " in line or " parts " in line or " repro" in line for line in lines) == 45
    assert lines[-1].startswith("44 papers: ")


def test_one_paper_shows_its_parts_and_how_to_run_it(capsys):
    papers("gradient-noise")
    shown = capsys.readouterr().out
    assert "Adding Gradient Noise" in shown
    assert "ostinato.train.gradient_noise" in shown
    assert "ostinato reproduce gradient-noise" in shown
