from __future__ import annotations

from ostinato.experiments import sparsity_graphs as graphs
from ostinato.experiments.experiment import silent


def test_every_graph_is_scored(quick_compile, monkeypatch):
    # What a network in the shape of a graph is, is tested with the model; here small ones do.
    monkeypatch.setattr(graphs, "evaluate", lambda net, task, batch_size: net.layer.cell.sizes[0])
    monkeypatch.setattr(graphs, "fit", lambda net, task, steps, rows: [])
    found = graphs.measure(graphs.Size(graphs=6), 1, silent)
    assert found.values[graphs.SOURCES][0] > 0.999
    (curve,) = found.panels[0].curves
    assert list(curve.x) == sorted(curve.x)
    assert [100 * x for x in curve.x] == curve.runs[0]


def test_families_come_in_turn_and_do_not_depend_on_how_many_are_drawn():
    few, many = ([*graphs.drawn(graphs.Size(graphs=n))] for n in (2, 4))
    assert all(a.edges.tolist() == b.edges.tolist() for a, b in zip(few, many, strict=False))
    assert all(10 <= dag.nodes <= 50 for dag in many)
