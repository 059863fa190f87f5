"""`ostinato explain`."""

from __future__ import annotations

import json

import pytest

from ostinato.cli.__main__ import main
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


def test_options_engine_and_precision(capsys):
    words = "--input_size 3 --hidden_size 4 --batch 2 --steps 9 --engine parallel --dtype float64"
    assert main(["explain", "GRU", *words.split(), "--cell_options", '{"heads": 2}']) == 0
    shown = capsys.readouterr().out
    assert "float64[9, 2, 3]" in shown
    assert "per-head block (2 × 2×2), nonlinear" in shown
    assert "Newton, steps 0…8: converged after" in shown


def test_what_there_is_not(monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(ArgumentError, match="no CUDA device here, and --device is cuda"):
        explain("GRU", device="cuda")
    with pytest.raises(ArgumentError, match=r"'bf16'.*Known: bfloat16"):
        explain("GRU", dtype="bf16")
    with pytest.raises(ArgumentError, match="no option 'head'"):
        explain("GRU", cell_options={"head": 2})


def test_an_unknown_cell_is_answered_with_the_nearest():
    with pytest.raises(ArgumentError, match="'MinimalGated'"):
        explain("MinimalGate")
