"""Molecules as graphs."""

from __future__ import annotations

import pytest
import torch

from ostinato.core.errors import ArgumentError, MissingExtraError
from ostinato.tasks import molecules
from ostinato.tasks.molecules import MoleculesTask

from .test_tu_files import write

TOY = {
    "A": "".join(f"{2 * n + 1}, {2 * n + 2}\n{2 * n + 2}, {2 * n + 1}\n" for n in range(12)),
    "graph_indicator": "".join(f"{n + 1}\n" * 2 for n in range(12)),
    "graph_labels": "0\n1\n1\n" * 4,
    "node_labels": "".join(f"{n}\n" * 2 for n in range(12)),
    "edge_labels": "0\n0\n1\n1\n" * 6,
}


def test_every_molecule_is_held_out_once_and_classes_are_divided_alike(tmp_path):
    tasks = [MoleculesTask(str(write(tmp_path, **TOY)), fold=k, folds=4) for k in range(4)]
    held_out = [next(task.held_out()) for task in tasks]
    assert sorted(torch.cat([each.labels[::2] for each in held_out]).tolist()) == list(range(12))
    assert [sorted(each.targets.tolist()) for each in held_out] == [[0, 1, 1]] * 4
    task = tasks[0]
    assert (task.classes, task.kinds, task.bonds) == (2, 12, 2)
    assert task.describe()["graphs"] == {"train": 9, "valid": 3}
    seen = task.batch(0, 9).labels.unique().tolist()
    assert sorted({*seen, *held_out[0].labels.tolist()}) == list(range(12))


def test_a_set_without_bonds_has_none(tmp_path):
    assert MoleculesTask(str(write(tmp_path, edge_labels=None)), folds=2).bonds == 0


def test_mutag_is_the_one_of_the_paper():
    pytest.importorskip("grakel")
    task = MoleculesTask()
    assert (task.name, task.kinds, task.bonds) == ("MUTAG", 7, 4)
    assert task.describe()["graphs"] == {"train": 170, "valid": 18}
    graphs = [*task.graphs["train"], *task.graphs["valid"]]
    assert sum(int(each.targets) for each in graphs) == 125
    assert sum(each.dag.nodes for each in graphs) == 3371


def test_what_is_missing_is_named(monkeypatch):
    with pytest.raises(ArgumentError, match=r"fold must lie in 0 … 9; got 10"):
        MoleculesTask(fold=10)

    def missing(*arguments):
        raise MissingExtraError(" ".join(arguments))

    monkeypatch.setattr(molecules, "extra", missing)
    with pytest.raises(MissingExtraError, match="grakel data MUTAG With path="):
        MoleculesTask()
