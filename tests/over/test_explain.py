from __future__ import annotations

import json

import pytest
import torch

import ostinato as ost
from ostinato.cells import make_cell
from ostinato.cells.lssl import LSSLCell
from ostinato.core.errors import ArgumentError
from ostinato.models.time.lssl_layer import LSSL
from ostinato.models.time.plstm import LinePLSTM


def test_it_names_the_choice_and_the_reasons():
    text = str(ost.explain(ost.RNN(make_cell("LSTM", 3, 4)), torch.randn(2, 5, 3)))
    assert "LSTMCell: 5 steps" in text
    assert "(float32[2, 4], float32[2, 4]), 32 bytes a row" in text
    assert "chosen → torch" in text
    assert "176" not in text.replace("144 parameters", "")
    peep = str(ost.explain(make_cell("LSTM", 3, 4, peepholes=True)))
    assert "no: torch's LSTM has no peepholes" in peep
    assert "chosen → fused" in peep


def test_it_takes_the_step_apart():
    text = str(ost.explain(ost.RNN(make_cell("LSTM", 3, 4)), torch.randn(2, 5, 3)))
    for line in (
        "  before the loop  1 operation: addmm",
        "  in the loop      12 operations: mm, add ×2, split_with_sizes, sigmoid ×3, mul ×3",
        "  after the loop   nothing",
        "  sunk             gradients of recur.weight",
        "  core             dense, nonlinear; verified by Jacobians",
        "    state[0] ← state[0] dense, nonlinear; state[1] elementwise, nonlinear",
        "    state[1] ← state[0] dense, nonlinear; state[1] elementwise, affine",
        "  a step and row   128 FLOPs in products, 52 elsewhere",
        "bytes: 64 of state, 64 of input; 256 of weights for all rows",
    ):
        assert line in text
    assert len(text.splitlines()) <= 25


def test_the_parts_are_plain_data_too():
    (told,) = json.loads(json.dumps(ost.explain(make_cell("GRU", 3, 4)).as_dict()))
    assert told["operations"]["before the loop"]["addmm"] == 1
    assert told["sunk"] == ["recur.weight"]
    assert told["cost"]["products"] == 2 * 4 * 12
    assert told["structure"]["couplings"] == [
        {
            "new": "state",
            "old": "state",
            "pattern": "dense",
            "heads": 1,
            "columns": 1,
            "alike": 1,
            "block": [4, 4],
            "degree": "nonlinear",
        }
    ]


def test_a_step_that_cannot_be_traced_is_explained_all_the_same():
    class Branching(ost.Cell):
        input_size = 4

        def initial_state(self, batch_size):
            return self.zeros(batch_size, 4)

        def forward(self, x, h):
            h = h + x if x.sum() >= 0 else h
            return h, h

    told = ost.explain(Branching())
    assert "cannot be taken apart: Python control flow depends on the value of a tensor" in str(
        told
    )
    assert "h = h + x if x.sum() >= 0 else h" in told.as_dict()[0]["untraced"]
    assert told.as_dict()[0]["chosen"] == "reference"


def test_every_recurrence_of_a_model_is_listed():
    stack = ost.Stack(
        [
            ost.Bidirectional(make_cell("GRU", 3, 4), make_cell("GRU", 3, 4)),
            ost.RNN(make_cell("MinimalGated", 8, 4)),
        ]
    )
    entries = ost.explain(stack, torch.randn(2, 5, 3), lengths=[5, 1]).as_dict()
    assert [entry["recurrence"] for entry in entries] == ["GRUCell", "GRUCell", "MinimalGatedCell"]
    assert [entry["chosen"] for entry in entries] == ["fused", "fused", "fused"]
    assert [entry["reverse"] for entry in entries] == [False, True, False]


def test_layers_tell_their_form():
    layer = LSSL(LSSLCell(1, 4))
    (told,) = ost.explain(layer, torch.randn(2, 5, 1)).as_dict()
    assert (told["layer"], told["requested"], told["chosen"]) == ("LSSL", "auto", "convolution")
    first, second = ost.explain(layer, torch.randn(2, 5, 1), return_states=True).as_dict()
    assert first["chosen"] == "recurrence"
    assert first["forms"]["convolution"] == "it has no states of single steps to return"
    assert second["recurrence"] == "LSSLCell"
    text = str(ost.explain(LinePLSTM(6, 2), torch.randn(2, 5, 6)))
    assert "LinePLSTM" in text
    assert "chosen → blocks  up to 64 steps at once" in text


def test_errors():
    class Unsized(ost.Cell):
        pass

    with pytest.raises(ArgumentError, match="needs an input for Unsized"):
        ost.explain(Unsized())
    with pytest.raises(ArgumentError, match="evaluated no recurrence"):
        ost.explain(torch.nn.Linear(3, 3), torch.randn(2, 3))
