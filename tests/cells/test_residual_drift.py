from __future__ import annotations

import pytest
import torch

from ostinato.cells.residual_drift import ResidualDriftCell
from ostinato.core.errors import ArgumentError
from ostinato.over.time import RNN

F64 = torch.float64


def test_the_step_by_its_equation():
    cell = ResidualDriftCell(3, 4, activation="hardtanh", step=0.5, dtype=F64)
    x, h = torch.randn(2, 3, dtype=F64), torch.randn(2, 4, dtype=F64)
    P, U, b = cell.mixer.weight, cell.input.weight, cell.input.bias
    torch.testing.assert_close(P @ P.T, torch.eye(4, dtype=F64))
    drift = x @ U.T + b - h @ P.T @ torch.diag(cell.rate) @ P
    torch.testing.assert_close(cell(x, h)[0], h + 0.5 * drift.clamp(-1, 1))


def test_unmixed_is_mixed_by_the_identity():
    cell, mixed = (ResidualDriftCell(3, 4, mixed=m, dtype=F64) for m in (False, True))
    with torch.no_grad():
        mixed.mixer.weight.copy_(torch.eye(4))
        mixed.input.weight.copy_(cell.input.weight)
        mixed.input.bias.copy_(cell.input.bias)
    x = torch.randn(2, 9, 3, dtype=F64)
    torch.testing.assert_close(*(RNN(c, "reference")(x)[0] for c in (cell, mixed)))


@pytest.mark.parametrize(("rate", "forgets"), [(0.1, True), (-0.1, False)])
def test_a_negative_rate_grows(rate, forgets):
    cell = ResidualDriftCell(1, 1, activation="identity", mixed=False, dtype=F64)
    with torch.no_grad():
        cell.rate.fill_(rate)
        cell.input.bias.zero_()
    h = torch.ones(1, 1, dtype=F64)
    for _ in range(50):
        h = cell(torch.zeros(1, 1, dtype=F64), h)[0]
    assert h.item() == pytest.approx((1 - rate) ** 50)
    assert (h.item() < 1) == forgets


def test_rates_begin_apart_and_a_step_must_be_positive():
    assert ResidualDriftCell(3, 4, step=0.5).rate.tolist() == [0.5, 1.0, 1.5, 2.0]
    with pytest.raises(ArgumentError, match="must be positive; got 0"):
        ResidualDriftCell(3, 4, step=0)
