"""`ostinato explain`."""

from __future__ import annotations

import json

import pytest

from ostinato.cli.explain import explain
from ostinato.core.errors import ArgumentError


def test_the_chosen_engine_is_shown(capsys):
    explain("GRU", input_size=3, hidden_size=5, batch=2, steps=4)
    shown = capsys.readouterr().out
    assert "GRUCell: 4 steps" in shown
    assert "chosen →" in shown


def test_json_has_sizes_and_a_reason_for_every_engine(capsys):
    explain("LayerNormLSTM", input_size=3, hidden_size=5, batch=2, steps=4, json=True)
    (told,) = json.loads(capsys.readouterr().out)
    assert told["inputs"] == "float32[4, 2, 3]"
    assert told["engines"][told["chosen"]] is None
    assert "LayerNormLSTM" in told["engines"]["torch"]


def test_an_unknown_cell_is_answered_with_the_nearest():
    with pytest.raises(ArgumentError, match="'MinimalGated'"):
        explain("MinimalGate")
