"""What states hold of the first segments, in the experiment on LSSL."""

from __future__ import annotations

import pytest
import torch

from ostinato.cells.lssl import LSSLCell
from ostinato.experiments.lssl_memory import PRECISIONS, readings
from ostinato.models.time.lssl_layer import LSSL
from ostinato.tasks.first_segments import FirstSegmentsTask


def test_the_best_reading_is_that_of_a_regression_on_states():
    torch.manual_seed(0)
    task = FirstSegmentsTask(segments=6, width=4, asked=2, noise=2.0)
    cell = LSSLCell(2, 2, state_size=3, project=False, learn="fixed", dtype=torch.float64)
    batch = task.draw(torch.Generator().manual_seed(1), 4000)
    with torch.no_grad():
        states = LSSL(cell)(batch.inputs.double().expand(-1, -1, 2))[1].flatten(1)
    levels = torch.stack([2.0 * (batch.targets >> k & 1) - 1 for k in range(2)], 1).double()
    weights = torch.linalg.lstsq(states, levels).solution
    right = ((states @ weights).sign() == levels).all(1).double().mean()
    assert readings(cell, task)[-1] == pytest.approx(100 * float(right), abs=3)


def test_hippo_holds_more_than_a_random_matrix_and_precision_helps():
    torch.manual_seed(0)
    task = FirstSegmentsTask()
    found = {}
    for measure in ("legs", "random"):
        cell = LSSLCell(8, 8, state_size=16, project=False, measure=measure, learn="fixed")
        found[measure] = readings(cell, task)
        assert len(found[measure]) == len(PRECISIONS)
        assert found[measure] == sorted(found[measure])
    assert found["legs"][0] > found["random"][0] + 20
