"""The experiment on sparsity as a whole."""

from __future__ import annotations

import pytest

from ostinato.experiments import sparsity_graphs, sparsity_pruning
from ostinato.experiments.experiment import Measurement, joined, silent
from ostinato.experiments.sparsity import EXPERIMENT, Scale


def test_the_parts_are_joined(monkeypatch):
    for part in (sparsity_pruning, sparsity_graphs):
        values = {claim: [1.0] for claim in part.CLAIMS}
        monkeypatch.setattr(part, "measure", lambda *_, values=values: Measurement(values, []))
    sizes = sparsity_pruning.Size(1), sparsity_graphs.Size(2)
    measured = joined(part(Scale(*sizes), 1, silent) for part in EXPERIMENT.measure.values())
    assert set(measured.values) == set(EXPERIMENT.claims)


@pytest.mark.slow
def test_the_small_scale():
    assert EXPERIMENT.run("small", 3).reproduced
