from __future__ import annotations

import pytest
import torch

from ostinato.analysis.graph_metrics import graph_metrics
from ostinato.over.dag import DAG


def test_a_path_of_four():
    found = graph_metrics(DAG(torch.tensor([[0, 1, 2], [1, 2, 3]]))).values
    assert (found["layers"], found["nodes"], found["edges"]) == (4, 4, 3)
    assert (found["sources"], found["sinks"], found["diameter"]) == (1, 1, 3)
    assert found["density"] == pytest.approx(3 / 12)
    assert found["average path"] == pytest.approx((3 * 1 + 2 * 2 + 3) / 6)
    # Eccentricities 3, 2, 2, 3, with the variance of a sample.
    assert found["eccentricity mean"] == 2.5
    assert found["eccentricity variance"] == pytest.approx(1 / 3)
    assert found["eccentricity deviation"] == pytest.approx(3**-0.5)
    # Of the paths between pairs of others, 2 of 3 pass either node inside.
    assert found["node betweenness mean"] == pytest.approx(1 / 3)
    assert found["degree mean"] == pytest.approx(0.5)


def test_a_graph_in_parts_and_its_picture():
    found = graph_metrics(DAG(torch.tensor([[0, 1, 4], [1, 2, 5]]), nodes=7))
    assert found.values["diameter"] == 2
    assert found.values["sources"] == 4
    assert len(found.plot().axes[0].lines) == 3
    assert found.table().rows[0] == ["layers", 3]
