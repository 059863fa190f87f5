from __future__ import annotations

import torch

from ostinato.cells.elstm import ELSTMCell
from ostinato.experiments import rtrl_speed
from ostinato.experiments.experiment import silent
from ostinato.experiments.rtrl_speed import Dense, Online


def test_dense_jacobians_give_the_same_gradient(monkeypatch):
    cell = ELSTMCell(3, 4, output_gate=False, dtype=torch.float64)
    torch.set_default_dtype(torch.float64)
    try:
        monkeypatch.setattr(rtrl_speed, "_ROWS", 2)
        monkeypatch.setattr(rtrl_speed, "_INPUTS", 3)
        torch.manual_seed(0)
        dense = Dense(cell)
        for _ in range(3):
            dense.step()
        torch.manual_seed(0)
        online = Online(cell)
        online.step()
        online.step()
    finally:
        torch.set_default_dtype(torch.float32)
    named = zip(dict(cell.named_parameters()), online.gradient, strict=True)
    for name, gradient in named:
        torch.testing.assert_close(dense.gradient[name], gradient)


def test_every_claim_is_measured_once_per_seed():
    measured = rtrl_speed.measure(rtrl_speed.Size(8, steps=3, back=(4, 8), repeats=3), 2, silent)
    assert set(measured.values) == set(rtrl_speed.CLAIMS)
    assert measured.values[rtrl_speed.MEMORY] == [1, 1]
    assert next(curve.label for curve in measured.panels[0].curves) == "RTRL"
