"""The experiment on inverse approximation."""

from __future__ import annotations

from functools import partial

import pytest
import torch

from ostinato.experiments import inverse_approximation
from ostinato.experiments.experiment import silent
from ostinato.experiments.inverse_approximation import EXPERIMENT, Kind, Scale
from ostinato.over.time import RNN
from ostinato.tasks.linear_functional import LinearFunctionalTask

from .completeness import check_complete


def test_every_claim_is_measured_once_per_seed(monkeypatch):
    # For a few steps the loop is quicker than to compile cells.
    monkeypatch.setattr(inverse_approximation, "RNN", partial(RNN, engine="reference"))
    measured = inverse_approximation.measure(Scale((2, 3), 12, updates=5, draws=2), 2, silent)
    check_complete(measured, EXPERIMENT, 2)
    errors, memory = measured.panels
    assert len(errors.curves) == 4
    assert [curve.label for curve in memory.curves] == [
        "target", "direct", "softplus", "exp", "best"
    ]  # fmt: skip
    assert all(len(run) == 11 for curve in memory.curves for run in curve.runs)


def test_all_maps_begin_with_the_same_rates():
    rates = []
    for name in inverse_approximation.MAPS:
        torch.manual_seed(0)
        net = inverse_approximation._net(Kind("polynomial", name, 4))
        rates.append(net.layer.cell.rate.detach())
    for other in rates[1:]:
        torch.testing.assert_close(other, rates[0])


def test_training_lowers_the_loss(quick_compile):
    task = LinearFunctionalTask(steps=20, held_out_sequences=100)
    net = inverse_approximation._net(Kind("polynomial", "softplus", 4))
    batch = next(iter(task.held_out("valid", 100)))
    before = task.loss(net(batch.inputs)[0], batch).item()
    inverse_approximation._fit(net, task, range(200), 200)
    assert task.loss(net(batch.inputs)[0], batch).item() < before / 5


@pytest.mark.slow
def test_the_small_scale():
    result = EXPERIMENT.run("small", 3)
    holds = {row.claim: row.holds for row in result.rows}
    assert holds[inverse_approximation.AMPLIFIED["softplus"].text]
    assert holds[inverse_approximation.EXPONENTIAL.text]
