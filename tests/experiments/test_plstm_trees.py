"""Syntax trees, in the experiment on pLSTM."""

from __future__ import annotations

import pytest

from ostinato.experiments import plstm_trees
from ostinato.experiments.experiment import silent
from ostinato.experiments.plstm_trees import Size
from ostinato.tasks import syntax_graphs

AFTER = "def f(a):\n    for x in a:\n        print(x)\n    return {}\n"
INSIDE = "def f(a):\n    for x in a:\n        print(x)\n        return {}\n"


def test_the_place_of_a_node_is_learned_where_counts_do_not_tell(tmp_path, monkeypatch):
    path = tmp_path / "a.py"
    path.write_text("".join(text.format(n) for n in range(8) for text in (AFTER, INSIDE)))
    monkeypatch.setattr(syntax_graphs, "standard_library", lambda: ([path], [path] * 4))
    found = plstm_trees.measure(Size(updates=30, width=8, points=2), 1, silent)
    assert set(found.values) == set(plstm_trees.CLAIMS)
    assert found.values[plstm_trees.RIGHT] == [100]
    assert found.values[plstm_trees.STRUCTURE] == [50]
    ours, counts = found.panels[0].curves
    assert (ours.x, len(ours.runs[0]), len(counts.runs[0])) == ([15, 30], 2, 2)


def test_the_claims_are_about_the_end(monkeypatch):
    monkeypatch.setattr(plstm_trees, "SyntaxGraphsTask", lambda seed: None)
    runs = iter([[60.0, 90.0], [50.0, 70.0]])
    monkeypatch.setattr(plstm_trees, "fit", lambda *_: next(runs))
    found = plstm_trees.measure(Size(updates=4, points=2), 1, silent)
    assert list(found.values.values()) == [[90.0], [pytest.approx(20.0)]]
