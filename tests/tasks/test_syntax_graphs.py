"""Syntax graphs of Python functions."""

from __future__ import annotations

import ast

import pytest

from ostinato.core.errors import ArgumentError
from ostinato.tasks import syntax_graphs
from ostinato.tasks.syntax_graphs import KINDS, SyntaxGraphsTask, graph_of, returns_in_loop

INSIDE = "def f(a):\n    for x in a:\n        return x\n"
AFTER = "def f(a):\n    for x in a:\n        print(x)\n    return a\n"


def function(text):
    return ast.parse(text).body[0]


@pytest.fixture
def library(tmp_path, monkeypatch):
    files = []
    for n in range(8):
        path = tmp_path / f"{n}.py"
        path.write_text(INSIDE + AFTER.replace("def f", "def g") + "def h():\n    return 1\n")
        files.append(path)
    monkeypatch.setattr(syntax_graphs, "standard_library", lambda: (files[:6], files[6:]))


def test_a_tree_and_the_uses_of_its_names():
    labels, dag = graph_of(function(AFTER), uses=False)
    assert [KINDS[label] for label in labels[:4]] == ["FunctionDef", "arguments", "arg", "For"]
    assert dag.edges.shape[1] == dag.nodes - 1
    assert dag.edges[1].sort().values.tolist() == list(range(1, dag.nodes))
    _, linked = graph_of(function(AFTER), uses=True)
    names = [n for n, label in enumerate(labels) if KINDS[label] == "Name"]
    extra = set(map(tuple, linked.edges.T.tolist())) - set(map(tuple, dag.edges.T.tolist()))
    assert len(names) == 5  # x, a, print, x, a
    assert extra == {(names[0], names[3]), (names[1], names[4])}


def test_the_answer():
    assert returns_in_loop(function(INSIDE))
    assert not returns_in_loop(function(AFTER))
    assert returns_in_loop(function("def f():\n    while 1:\n        if 2:\n            return"))


def test_batches_are_balanced_and_a_function_of_the_step(library):
    task = SyntaxGraphsTask(seed=1)
    assert task.describe()["graphs"] == {"train": 12, "valid": 4}
    a, b = task.batch(3, 5), SyntaxGraphsTask(seed=1).batch(3, 5)
    assert a.labels.equal(b.labels)
    assert a.dag.edges.equal(b.dag.edges)
    assert a.dag.graphs == len(a.targets) == 5
    held_out = list(task.held_out(batch_size=3))
    assert [len(batch.targets) for batch in held_out] == [3, 1]
    assert sum(int(batch.targets.sum()) for batch in held_out) == 2
    with pytest.raises(ArgumentError, match="no split 'test'"):
        next(task.held_out("test"))
