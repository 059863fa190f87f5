"""Explicit steps of differential equations as cells."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from torch import nn

import ostinato as ost
from ostinato.core.errors import ArgumentError
from ostinato.wrap import RungeKutta
from ostinato.wrap.runge_kutta import TABLEAUS

ORDERS = {"euler": 1, "midpoint": 2, "heun": 2, "rk4": 4}


class Oscillator(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        turn = torch.tensor([[0.0, -1.0], [1.0, 0.0]], dtype=torch.float64)
        self.register_buffer("turn", turn)

    def forward(self, y: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        return y @ self.turn


class Driven(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(5, 2)

    def forward(self, y: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        return torch.tanh(self.linear(torch.cat([y, x], -1)))


def start() -> torch.Tensor:
    return torch.tensor([[1.0, 0.0]], dtype=torch.float64)


@pytest.mark.parametrize("method", TABLEAUS)
def test_order(method: str) -> None:
    errors = []
    for steps in (20, 40, 80):
        rnn = ost.RNN(RungeKutta(Oscillator(), 2, method, delta=1 / steps), "reference")
        end = rnn(torch.zeros(1, steps, 1, dtype=torch.float64), start())[1]
        one = torch.ones((), dtype=torch.float64)
        errors.append(float((end - torch.stack([one.cos(), -one.sin()])).norm()))
    expected = 2 ** ORDERS[method]
    assert [a / b for a, b in pairwise(errors)] == pytest.approx([expected] * 2, rel=0.05)


@pytest.mark.parametrize("method", TABLEAUS)
def test_every_engine_runs_it(method: str) -> None:
    cell = RungeKutta(Driven(), 2, method, delta=0.1).double()
    cell.input_size = 3
    report = ost.check_cell(cell, dtypes=[torch.float64])
    assert not report.failures
    taken = {check.engine for check in report.checks if not check.declined}
    assert {"reference", "fused", "parallel"} <= taken


def test_steps_of_their_own_length() -> None:
    delta = 0.2 * torch.rand(1, 30, 1, dtype=torch.float64)
    x = torch.zeros_like(delta)
    times = delta.cumsum(1)
    for engine in ("reference", "fused", "parallel"):
        y = ost.RNN(RungeKutta(Oscillator(), 2, "rk4"), engine)((x, delta), start())[0]
        expected = torch.cat([times.cos(), -times.sin()], -1)
        torch.testing.assert_close(y, expected, rtol=0, atol=1e-4)


def test_unknown_methods_are_told() -> None:
    with pytest.raises(ArgumentError, match="Did you mean 'euler'"):
        RungeKutta(Oscillator(), 2, "eule")
