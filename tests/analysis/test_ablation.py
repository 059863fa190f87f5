from __future__ import annotations

from copy import deepcopy

import pytest
import torch
from torch import nn

from ostinato.analysis.ablation import ablation, silenced
from ostinato.cells import make_cell
from ostinato.core.errors import ArgumentError
from ostinato.models.sequence_model import SequenceModel
from ostinato.over.time import RNN
from ostinato.tasks.parity import ParityTask


def model_of(cell):
    torch.manual_seed(0)
    return SequenceModel(nn.Identity(), RNN(cell), nn.Linear(6, 1), per_step=False)


def test_a_silent_unit_is_one_without_connections():
    model = model_of(make_cell("Leaky", 1, 6))
    cut = deepcopy(model)
    with torch.no_grad():
        for weight in (cut.layer.cell.recur.weight, cut.layer.cell.input.weight):
            weight[2] = 0
        cut.layer.cell.recur.weight[:, 2] = 0
        cut.head.weight[:, 2] = 0
    x = torch.randn(3, 20, 1)
    silent = silenced(model, [2])
    torch.testing.assert_close(silent(x)[0], cut(x)[0])
    assert not torch.allclose(model(x)[0], cut(x)[0])
    assert silent(x)[1][:, 2].eq(0).all()


def test_only_the_unit_that_the_answer_needs_is_missed():
    cell = make_cell("Elman", 1, 6, activation="identity")
    model = model_of(cell)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
        cell.input.weight[4] = 1  # unit 4 alone reads the last bit, and the head reads it
        model.head.weight[0, 4], model.head.bias[0] = 1, -0.5
    task = LastBit(held_out_sequences=500)
    found = ablation(model, task)
    assert found.base == 1
    assert found.change[[0, 1, 2, 3, 5]].eq(0).all()
    assert found.scores[4] == pytest.approx(0.5, abs=0.1)
    assert found.table().rows[4][0] == 4
    assert found.plot().axes


class LastBit(ParityTask):
    def answer(self, bits, n):
        return bits[:, -1]


def test_units_that_are_not_there_are_named():
    model = model_of(make_cell("LSTM", 1, 6))
    assert ablation(model, ParityTask(held_out_sequences=20), units=[5]).units.tolist() == [5]
    with pytest.raises(ArgumentError, match=r"units 0 … 5; got \[6\]"):
        ablation(model, ParityTask(), units=[6])
    with pytest.raises(ArgumentError, match=r"all \(B, H\)"):
        silenced(model_of(make_cell("GatedLinearAttention", 1, 6)), [0])
