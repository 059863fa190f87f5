"""Rates stay in their range, and can be set to any value of it."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn
from torch.autograd import gradcheck

from ostinato.core.cell import Cell
from ostinato.core.errors import ArgumentError
from ostinato.over.time import RNN
from ostinato.wrap import RateMap, parametrise

KINDS = ["exp", "softplus", "best", "sigmoid", "clamp", "relu"]


class Diagonal(Cell):
    """h = exp(−rate) ⊙ h + x."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.input_size = self.hidden_size = size
        self.rate = nn.Parameter(torch.linspace(0.1, 0.9, size, dtype=torch.float64))

    def initial_state(self, batch_size: int) -> Tensor:
        return self.zeros(batch_size, self.hidden_size)

    def forward(self, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        h = torch.exp(-self.rate) * h + x
        return h, h


@pytest.mark.parametrize("kind", KINDS)
def test_the_map_of_its_inverse_is_the_rate(kind: str) -> None:
    rate = torch.tensor([1e-4, 0.01, 0.5, 0.99], dtype=torch.float64)
    chart = RateMap(kind)
    torch.testing.assert_close(chart(chart.right_inverse(rate)), rate, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(
    ("kind", "formula"),
    [
        ("exp", math.exp),
        ("softplus", lambda w: math.log(1 + math.exp(w))),
        ("best", lambda w: 1 / (w * w + 0.5)),
        ("sigmoid", lambda w: 1 + 2 / (1 + math.exp(-w))),
        ("clamp", lambda w: min(max(w, 1), 3)),
        ("relu", lambda w: max(w, 0)),
    ],
)
def test_the_formulas(kind: str, formula: object) -> None:
    chart = RateMap(kind, 1.0, 3.0)
    for w in (-2.0, 0.3, 1.7, 4.0):
        value = chart(torch.tensor(w, dtype=torch.float64)).item()
        assert value == pytest.approx(formula(w), rel=1e-14)


def test_the_gradient_of_best_is_proportional_to_the_weight() -> None:
    w = torch.tensor([-2.0, 0.5, 3.0], dtype=torch.float64, requires_grad=True)
    rate = RateMap("best")(w)
    (slope,) = torch.autograd.grad(rate.sum(), w)
    torch.testing.assert_close(slope.abs() / rate**2, 2 * w.abs())


def relative_change(kind: str, rate: float, change: float) -> float:
    """f(w) ∫ |e^{−f(w̃)t} − e^{−f(w)t}| dt, summed up numerically, at w̃ = w − change."""
    chart = RateMap(kind)
    w = chart.right_inverse(torch.tensor(rate, dtype=torch.float64))
    moved = chart(w - change)
    t = torch.linspace(0, 60, 200_001, dtype=torch.float64) / min(moved.item(), rate)
    gap = (torch.exp(-moved * t) - torch.exp(-rate * t)).abs()
    found = rate * torch.trapezoid(gap, t).item()
    assert found == pytest.approx(abs(1 - rate / moved.item()), rel=1e-6)
    return found


@pytest.mark.parametrize("kind", ["exp", "softplus", "best"])
def test_a_change_of_w_changes_slow_memory_no_more_than_fast_memory(kind: str) -> None:
    changes = [relative_change(kind, rate, 0.01) for rate in (0.5, 1e-2, 1e-4)]
    assert max(changes) < 0.02
    if kind == "exp":
        assert changes == pytest.approx([math.exp(0.01) - 1] * 3, rel=1e-6)


def test_under_relu_the_same_change_has_no_bound() -> None:
    changes = [relative_change("relu", 0.01 + excess, 0.01) for excess in (0.5, 1e-2, 1e-4)]
    assert changes == pytest.approx([0.02, 1, 100], rel=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_a_cell_trains_with_a_mapped_rate(kind: str) -> None:
    cell = Diagonal(4)
    x, before = torch.randn(2, 5, 4, dtype=torch.float64), cell.rate.detach().clone()
    expected, _ = RNN(cell)(x)
    parametrise(cell, {"rate": RateMap(kind)})
    torch.testing.assert_close(cell.rate, before)
    y, _ = RNN(cell)(x)
    torch.testing.assert_close(y, expected)
    w = cell.parametrizations.rate.original

    def outputs(w: Tensor) -> Tensor:
        name = "parametrizations.rate.original"
        h = cell.initial_state(2)
        for t in range(5):
            _, h = torch.func.functional_call(cell, {name: w}, (x[:, t], h))
        return h

    assert gradcheck(outputs, w)
    y[:, -1].sum().backward()
    (expected_grad,) = torch.autograd.grad(outputs(w).sum(), w)
    torch.testing.assert_close(w.grad, expected_grad)


@pytest.mark.parametrize(
    ("kind", "low", "high"),
    [
        ("exp", 0, 0.5),
        ("softplus", -1, 0.5),
        ("best", 0.5, 2.1),
        ("best", 0, 0.5),
        ("sigmoid", 0.5, 1),
        ("sigmoid", -0.5, 0.5),
        ("clamp", -0.1, 0.5),
        ("clamp", 0.5, 1.1),
        ("relu", -0.1, 0.5),
    ],
)
def test_a_rate_out_of_reach_is_rejected_with_its_range(kind: str, low: float, high: float) -> None:
    with pytest.raises(ArgumentError, match=rf"RateMap\({kind}.*cannot reach .*{low} … {high}"):
        RateMap(kind).right_inverse(torch.tensor([low, high]))


def test_an_unknown_kind_is_guessed_and_bounds_must_be_in_order() -> None:
    with pytest.raises(ArgumentError, match="Did you mean 'softplus'"):
        RateMap("softplu")
    with pytest.raises(ArgumentError, match="lower must be below upper"):
        RateMap("clamp", 2.0, 1.0)
