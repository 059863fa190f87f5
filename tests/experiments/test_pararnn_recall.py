"""Finding what was read before, in the experiment on ParaRNN."""

from __future__ import annotations

import pytest
import torch

from ostinato.experiments import pararnn_recall
from ostinato.experiments.experiment import silent
from ostinato.experiments.pararnn_recall import PAPER, SMALL, TASKS, Row, Size


def test_every_row_is_scored_with_both_cells_and_without_recurrent_weights():
    rows = {name: Row(4, 8, updates=2, batch=2, width=8) for name in TASKS}
    found = pararnn_recall.measure(Size(rows), 1, silent)
    assert set(found.values) == set(pararnn_recall.CLAIMS)
    assert [panel.y_label for panel in found.panels] == [f"{name} loss (nats)" for name in TASKS]
    for panel in found.panels:
        labels = [curve.label.partition(":")[0] for curve in panel.curves]
        assert labels == ["ParaGRU", "ParaLSTM", "ParaGRU, a = 0"]
        gated, _, linear = (curve.runs[0][0] for curve in panel.curves)
        assert gated == pytest.approx(linear, abs=0.1)


def test_pairs_are_learned_where_they_are_few():
    losses, accuracy = pararnn_recall._train(
        "MQAR", Row(4, 8, updates=250, width=32), "ParaLSTM", 0, silent
    )
    assert losses[-1] < 0.3 < losses[0]
    # Naming one of the two values that were read is right in half of them, or more where equal.
    assert accuracy > 90


@pytest.mark.parametrize("size", [SMALL, PAPER], ids=["small", "paper"])
def test_the_rows_are_those_of_the_table(size):
    assert set(size.rows) == set(TASKS)
    for name, row in size.rows.items():
        task = TASKS[name](symbols=row.symbols, steps=row.steps, seed=0)
        batch = task.batch(0, 2)
        assert batch.inputs.shape == (2, row.steps)
        assert int(batch.inputs.max()) < row.symbols
        net = pararnn_recall._net(task, row, "ParaGRU")
        with torch.no_grad():
            assert net(batch.inputs)[0].shape == (*batch.targets.shape, task.outputs.count)
