"""A leaky state moves part of the way."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.autograd import gradcheck

from ostinato.cells.lstm import LSTMCell
from ostinato.core.errors import ArgumentError
from ostinato.over.time import RNN
from ostinato.wrap import Leak

from .toys import Plain, Tree


def normal(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float64)


def test_the_leaky_integrator_network() -> None:
    cell = Plain(3, 4)
    x, h = normal(2, 3), normal(2, 4)
    y, new = Leak(cell, 0.2)(x, h)
    pre = x @ cell.input.weight.T + cell.input.bias + h @ cell.recur.weight.T
    torch.testing.assert_close(new, 0.8 * h + 0.2 * torch.tanh(pre))
    assert y is new


def test_each_unit_and_each_leaf_has_its_rate() -> None:
    cell = LSTMCell(3, 4, dtype=torch.float64)
    alpha = torch.tensor([0.1, 0.2, 0.3, 1.0], dtype=torch.float64)
    wrapped = Leak(cell, (1.0, alpha))
    x, (h, c) = normal(2, 3), (normal(2, 4), normal(2, 4))
    _, (new_h, new_c) = wrapped(x, (h, c))
    _, (proposed_h, proposed_c) = cell(x, (h, c))
    assert torch.equal(new_h, proposed_h)
    torch.testing.assert_close(new_c, (1 - alpha) * c + alpha * proposed_c)
    assert torch.equal(new_c[:, 3], proposed_c[:, 3])


def test_rate_one_is_the_cell_inside_and_rate_zero_stands_still() -> None:
    cell, x = Plain(3, 4), normal(2, 5, 3)
    y, _ = RNN(Leak(cell, 1.0), engine="reference")(x)
    expected, _ = RNN(cell, engine="reference")(x)
    assert torch.equal(y, expected)
    h = normal(2, 4)
    assert torch.equal(RNN(Leak(cell, 0.0), engine="reference")(x, h)[1], h)


def test_a_learned_rate_begins_where_it_is_put_and_receives_gradients() -> None:
    alpha = torch.tensor([0.1, 0.5, 0.9], dtype=torch.float64)
    wrapped = Leak(Plain(2, 3), alpha, learn=True)
    torch.testing.assert_close(wrapped.rate, alpha)
    assert isinstance(wrapped.leak0, nn.Parameter)
    RNN(wrapped)(normal(2, 5, 2))[0].sum().backward()
    assert wrapped.leak0.grad.abs().min() > 0
    x, h = normal(2, 2), normal(2, 3)

    def step(logit: torch.Tensor) -> torch.Tensor:
        return torch.func.functional_call(wrapped, {"leak0": logit}, (x, h))[1]

    assert gradcheck(step, wrapped.leak0)


def test_a_fixed_rate_is_a_buffer_that_follows_the_module() -> None:
    wrapped = Leak(Plain(2, 3), 0.5)
    assert "leak0" in dict(wrapped.named_buffers())
    assert wrapped.float().leak0.dtype == torch.float32


def test_the_callers_tensor_is_not_shared() -> None:
    alpha = torch.tensor([0.1, 0.5, 0.9], dtype=torch.float64)
    wrapped = Leak(Plain(2, 3), alpha)
    alpha[0] = 0.7
    assert wrapped.rate.tolist() == [0.1, 0.5, 0.9]


def test_counters_are_left_to_the_cell() -> None:
    wrapped = Leak(Tree(3, 4), 0.3)
    _, state = RNN(wrapped, engine="reference")(normal(2, 5, 3))
    assert state["steps"].tolist() == [5, 5]
    assert float(wrapped.rate["steps"]) == 1


@pytest.mark.parametrize("rate", [-0.1, 1.1, float("nan"), torch.tensor([0.1, 0.2, 2.0])])
def test_a_rate_out_of_range_is_rejected(rate: object) -> None:
    with pytest.raises(ArgumentError, match=r"must lie in \[0, 1\]"):
        Leak(Plain(2, 3), rate)


@pytest.mark.parametrize("rate", [0.0, 1.0])
def test_a_learned_rate_must_lie_inside(rate: float) -> None:
    with pytest.raises(ArgumentError, match=r"\(0, 1\) to be learned"):
        Leak(Plain(2, 3), rate, learn=True)


@pytest.mark.parametrize("shape", [(2,), (1, 3), (3, 1)])
def test_a_rate_that_does_not_fit_the_units_is_rejected(shape: tuple[int, ...]) -> None:
    with pytest.raises(ArgumentError, match=r"broadcast over a row \[3\]"):
        Leak(Plain(2, 3), torch.full(shape, 0.5))
