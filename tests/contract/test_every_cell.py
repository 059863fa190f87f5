"""The contract of every cell on every engine, bare and inside every wrapper."""

from __future__ import annotations

import pytest

import ostinato as ost
from ostinato.cells import cell_names, make_cell

VARIANTS = {
    **{name: (name, {}) for name in cell_names()},
    "Elman-relu": ("Elman", {"activation": "relu"}),
    "Elman-softplus": ("Elman", {"activation": "softplus"}),
    "LSTM-1997": ("LSTM", {"forget_gate": False}),
    "LSTM-peepholes": ("LSTM", {"peepholes": True, "forget_bias": 1.0}),
    "LSTM-coupled": ("LSTM", {"coupled": True}),
    "LSTM-projected": ("LSTM", {"projection": 2, "peepholes": True}),
    "LSTM-no-bias": ("LSTM", {"bias": False}),
    "GRU-reset-before": ("GRU", {"reset_after": False}),
    "LayerNormLSTM-cell": ("LayerNormLSTM", {"form": "cell"}),
    "LayerNormLSTM-haste": ("LayerNormLSTM", {"form": "haste"}),
    "LayerNormLSTM-per-gate": ("LayerNormLSTM", {"per_gate": True, "cell_norm": False}),
}


# They share their step with others that are here; a Turing machine takes long to compile. LTC with
# one unfold is in tests/cells, and so is LEM, gates and products of which are those of a GRU.
SLOW = (
    "DeltaNet",
    "GatedDeltaNet",
    "DeltaProduct",
    "LEM",
    "LTC",
    "MLSTM",
    "Mamba2",
    "NeuralTuringMachine",
    "RWKV7",
)


@pytest.mark.parametrize(
    "variant", [pytest.param(v, marks=pytest.mark.slow) if v in SLOW else v for v in VARIANTS]
)
def test_contract(variant):
    name, options = VARIANTS[variant]
    report = ost.check_cell(make_cell(name, 3, 5, **options))
    assert {check.engine for check in report.checks} >= {"reference", "torch"}
