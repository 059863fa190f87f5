"""The experiment on layer normalisation."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from ostinato.cells.layer_norm_lstm import LayerNormLSTMCell
from ostinato.experiments import layer_norm, layer_norm_draw, layer_norm_reader
from ostinato.experiments.experiment import silent
from ostinato.experiments.layer_norm import EXPERIMENT, Scale
from ostinato.tasks.labelled import LabelledTask

from .completeness import check_complete

pytest.importorskip("mlxtend")


@pytest.fixture(scope="module")
def measured():
    parts = (
        layer_norm_reader.Size(updates=10, hidden=4),
        layer_norm_draw.Size(6, glimpses=2, hidden=4, code=2),
    )
    return layer_norm.measure(Scale(40, 32, 8, *parts, measured_at=20), 1, silent)


def test_every_claim_is_measured_once_per_seed(measured):
    check_complete(measured, EXPERIMENT)


def test_there_is_a_panel_for_each_task(measured):
    copy, digits, reader, draw = measured.panels
    assert len(copy.curves) == 4
    assert len(digits.curves) == len(reader.curves) == len(draw.curves) == 2
    assert len(digits.curves[0].runs[0]) == 16
    assert copy.curves[0].runs[0][0] == pytest.approx(math.log(8), abs=0.2)


def test_the_gain_scales_matrices_and_leaves_gains_and_biases_alone():
    cells = []
    for gain in (1, 3):
        torch.manual_seed(0)
        cell = LayerNormLSTMCell(8, layer_norm._HIDDEN)
        layer_norm._initialise(cell, gain)
        cells.append(cell)
    one, three = cells
    torch.testing.assert_close(three.recur.weight, 3 * one.recur.weight)
    torch.testing.assert_close(three.input.weight, 3 * one.input.weight)
    torch.testing.assert_close(three.norm_state.weight, torch.ones(4 * layer_norm._HIDDEN))
    block = one.recur.weight[: layer_norm._HIDDEN]
    torch.testing.assert_close(block @ block.T, torch.eye(layer_norm._HIDDEN))
    assert one.bias.eq(0).all()


def test_both_cells_begin_with_the_same_matrices():
    weights = []
    for name in ("LSTM", "LN-LSTM"):
        cell = layer_norm._CELLS[name](8, layer_norm._HIDDEN)
        torch.manual_seed(0)
        layer_norm._initialise(cell, 1)
        weights.append({n: p for n, p in cell.named_parameters() if p.dim() == 2})
    assert list(weights[0]) == list(weights[1])
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


def test_accuracy_is_measured_in_evaluation_mode():
    norm = nn.BatchNorm1d(2)
    net = nn.Sequential(nn.Flatten(), norm)
    inputs, labels = (
        torch.tensor([[[0.0, 1.0]], [[1.0, 0.0]], [[5.0, 0.0]]]),
        torch.tensor([1, 0, 1]),
    )
    halves = {
        "train": (inputs, labels),
        "valid": (inputs[:2], labels[:2]),
        "test": (inputs[2:], labels[2:]),
    }
    task = LabelledTask(halves, classes=2, seed=0)
    assert layer_norm._accuracy(net, task) == pytest.approx(200 / 3)
    assert norm.num_batches_tracked == 0
    assert net.training


@pytest.mark.slow
def test_the_small_scale():
    result = EXPERIMENT.run("small", 3)
    holds = {row.claim: row.holds for row in result.rows}
    assert holds[layer_norm.FASTER.text]
    assert holds[layer_norm.SMALL_BATCH.text]
