"""The table of graphs is about the graphs it names, and about equal results."""

from __future__ import annotations

import pytest
import torch

from ostinato.bench import graph_rate
from ostinato.bench.graph_rate import GRAPHS, levels, ratios, tree
from ostinato.core.errors import ArgumentError, OstinatoError


def test_a_tree_ends_in_its_root():
    dag = tree(3)
    assert dag.edges.tolist() == [[1, 2, 3, 4, 5, 6], [0, 0, 1, 1, 2, 2]]
    assert [level.nodes for level in dag.schedule.levels] == [4, 2, 1]


def test_levels_are_as_wide_as_they_say():
    found = [level.nodes for level in levels(5, 3).schedule.levels]
    assert found == [3] * 5
    assert set(levels(2, 3).edges[1].bincount().tolist()) == {0, 2}


def test_names_say_what_is_measured():
    sizes = {name: make().nodes for name, make in GRAPHS.items()}
    assert list(sizes.values()) == [1023, 800, 12_800]


def test_wrong_results_are_not_timed(monkeypatch):
    right = torch.ones(3)
    with pytest.raises(OstinatoError, match="off by"):
        graph_rate._check("GRU", [right * 1.01], [right])
    with pytest.raises(OstinatoError, match="off by nan"):
        graph_rate._check("GRU", [right * torch.nan], [right])
    monkeypatch.setattr(graph_rate, "compare", None)
    monkeypatch.setattr(graph_rate, "_pass", lambda cell, engine, *about: lambda: [
        right * (1 + (engine == "fused"))
    ])  # fmt: skip
    with pytest.raises(OstinatoError, match="GRU"):
        ratios("GRU", tree(2), 1)


def test_the_table_has_a_line_for_every_cell(monkeypatch, capsys):
    monkeypatch.setattr(graph_rate, "ratios", lambda name, dag, repeats: (1.5, 10.0 * repeats))
    monkeypatch.setattr(graph_rate, "crowded", lambda threads, others: False)
    graph_rate.main(["--repeats", "3"])
    rows = capsys.readouterr().out.splitlines()[-3:]
    assert rows == [
        f"| {cell} | 1.5 / 30 | 1.5 / 30 | 1.5 / 30 |" for cell in ("GRU", "LSTM", "LayerNormLSTM")
    ]
    with pytest.raises(ArgumentError, match="at least 1"):
        graph_rate.main(["--repeats", "0"])
