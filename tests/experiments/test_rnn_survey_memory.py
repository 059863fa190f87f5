from __future__ import annotations

import pytest
import torch

from ostinato.experiments.rnn_survey_memory import net
from ostinato.tasks.adding import AddingTask
from ostinato.tasks.embedded_reber import EmbeddedReberTask


def test_input_gates_begin_shut_where_most_has_to_stay_out():
    for task, shut in ((AddingTask(6), True), (EmbeddedReberTask(), False)):
        cell = net(task, "LSTM").layer.cell
        assert cell.gates == "igo"
        assert bool(cell.input.bias[:32].eq(-2).all()) == shut


@pytest.mark.parametrize("cell", ["LSTM", "Elman"])
def test_nets_answer_as_their_task_asks(cell):
    for task in (AddingTask(6), EmbeddedReberTask()):
        batch, model = task.batch(0, 3), net(task, cell)
        model.layer.engine = "reference"
        with torch.no_grad():
            outputs, _ = model(batch.inputs, None, batch.lengths)
        assert outputs.shape[:-1] == batch.targets.shape[: outputs.dim() - 1]
        assert bool(task.loss(outputs, batch).isfinite())
