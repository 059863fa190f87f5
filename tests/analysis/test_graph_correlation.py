from __future__ import annotations

import pytest

from ostinato.analysis.graph_correlation import graph_correlation
from ostinato.analysis.graph_metrics import graph_metrics
from ostinato.core.errors import ArgumentError
from ostinato.models.graph.random_graph import random_graph


@pytest.fixture
def graphs():
    return [graph_metrics(random_graph("watts_strogatz", n, n)) for n in (10, 14, 20, 26, 31, 36)]


def test_what_the_score_is_made_of_correlates_fully(graphs):
    scores = [1 - 0.01 * graph.values["edges"] for graph in graphs]
    found = graph_correlation(graphs, scores, folds=3)
    assert found.correlations["edges"] == pytest.approx(-1)
    assert abs(found.correlations["nodes"]) < 1
    assert found.r_squared["Bayesian ridge"] > 0.7
    assert set(found.r_squared) == {"Bayesian ridge", "random forest", "AdaBoost"}
    assert found.table().rows[0] == ["edges", "r", pytest.approx(-1)]
    assert found.plot().axes


def test_a_score_that_never_changes_correlates_with_nothing(graphs):
    found = graph_correlation(graphs, [0.5] * 6, folds=2)
    assert set(found.correlations.values()) == {0.0}


def test_too_few_graphs(graphs):
    with pytest.raises(ArgumentError, match="6 graphs, 5 scores and 3 folds"):
        graph_correlation(graphs, [1.0] * 5, folds=3)
