"""Sets of graphs in the files of TUDataset."""

from __future__ import annotations

import pytest

from ostinato.core.errors import DataError
from ostinato.tasks.tu_files import read_tu

# A triangle, and two nodes with an edge.
FILES = {
    "A": "1, 2\n2, 1\n3, 1\n1, 3\n2, 3\n3, 2\n5, 4\n4, 5\n",
    "graph_indicator": "1\n1\n1\n2\n2\n",
    "graph_labels": "1\n-1\n",
    "node_labels": "6\n8\n6\n8\n9\n",
    "edge_labels": "1\n1\n2\n2\n3\n3\n1\n1\n",
}


def write(folder, **changed):
    for name, content in (FILES | changed).items():
        if content is not None:
            (folder / f"TOY_{name}.txt").write_text(content)
    return folder


def test_graphs_are_read_one_by_one(tmp_path):
    triangle, pair = read_tu(write(tmp_path))
    assert triangle.labels.tolist() == [0, 1, 0]
    assert triangle.dag.edges.tolist() == [[0, 0, 1], [1, 2, 2]]
    assert triangle.edge_labels.tolist() == [0, 1, 2]
    assert (triangle.targets.tolist(), pair.targets.tolist()) == ([1], [0])
    assert pair.labels.tolist() == [1, 2]
    assert pair.dag.edges.tolist() == [[0], [1]]
    assert pair.edge_labels.tolist() == [0]


def test_labels_may_be_missing(tmp_path):
    triangle, _ = read_tu(write(tmp_path, node_labels=None, edge_labels=None))
    assert triangle.labels.tolist() == [0, 0, 0]
    assert triangle.edge_labels is None


@pytest.mark.parametrize(
    ("changed", "match"),
    [
        ({"A": None}, "has 0 of them"),
        ({"graph_labels": None}, "TOY_graph_labels.txt cannot be read"),
        ({"graph_labels": "1\n"}, "1 graph labels; expected 2"),
        ({"node_labels": "1\n"}, "1 node labels; expected 5"),
        ({"edge_labels": "1\n"}, "1 edge labels; expected 8"),
        ({"A": "1, 9\n", "edge_labels": None}, "5 nodes; its edges name 1 to 9"),
        ({"A": "1, 4\n", "edge_labels": None}, "edge from one graph to another"),
        ({"A": "a, b\n"}, "TOY_A.txt cannot be read"),
    ],
)
def test_what_does_not_fit_is_refused(tmp_path, changed, match):
    with pytest.raises(DataError, match=match):
        read_tu(write(tmp_path, **changed))
