from __future__ import annotations

import pytest
import torch

import ostinato as ost
from ostinato.cells import make_cell
from ostinato.core.errors import ArgumentError


def test_it_names_the_choice_and_the_reasons():
    text = str(ost.explain(ost.RNN(make_cell("LSTM", 3, 4)), torch.randn(2, 5, 3)))
    assert "LSTMCell: 5 steps" in text
    assert "(float32[2, 4], float32[2, 4]), 32 bytes a row" in text
    assert "chosen → torch" in text
    assert "176" not in text.replace("144 parameters", "")
    peep = str(ost.explain(make_cell("LSTM", 3, 4, peepholes=True)))
    assert "no: torch's LSTM has no peepholes" in peep
    assert "chosen → fused" in peep


def test_every_recurrence_of_a_model_is_listed():
    stack = ost.Stack(
        [
            ost.Bidirectional(make_cell("GRU", 3, 4), make_cell("GRU", 3, 4)),
            ost.RNN(make_cell("MinimalGated", 8, 4)),
        ]
    )
    entries = ost.explain(stack, torch.randn(2, 5, 3), lengths=[5, 1]).as_dict()
    assert [entry["recurrence"] for entry in entries] == ["GRUCell", "GRUCell", "MinimalGatedCell"]
    assert [entry["chosen"] for entry in entries] == ["torch", "torch", "fused"]
    assert [entry["reverse"] for entry in entries] == [False, True, False]


def test_errors():
    class Unsized(ost.Cell):
        pass

    with pytest.raises(ArgumentError, match="needs an input for Unsized"):
        ost.explain(Unsized())
    with pytest.raises(ArgumentError, match="evaluated no recurrence"):
        ost.explain(torch.nn.Linear(3, 3), torch.randn(2, 3))
