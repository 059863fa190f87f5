from __future__ import annotations

import pytest
import torch
from torch import nn

from ostinato.compiler.cost import Cost, cost
from ostinato.compiler.fission import split
from ostinato.compiler.trace import trace


def of(step, carry=(5,), x=(3,)):
    return cost(split(trace(step, torch.zeros(2, *carry), torch.zeros(2, *x))))


@pytest.mark.parametrize("bias", [False, True])
def test_an_elman_step(bias):
    linear, recur = nn.Linear(3, 5), nn.Linear(5, 5, bias)
    counted = of(lambda h, x: (torch.tanh(linear(x) + recur(h)), h))
    assert counted == Cost(
        products=2 * 5 * 5, pointwise=(2 + bias) * 5, state=40, inputs=20, weights=100 + bias * 20
    )


def test_what_is_outside_the_core_costs_nothing():
    linear, head = nn.Linear(3, 5), nn.Linear(5, 100)
    counted = of(lambda h, x: (0.9 * h + linear(x).sigmoid(), head(h) * linear(x).sum(1)[:, None]))
    assert counted == Cost(products=0, pointwise=10, state=40, inputs=20, weights=0)


def test_products_of_heads_and_reductions():
    weight = torch.randn(2, 3, 3)

    def step(h, x):
        mixed = torch.einsum("bkd,kde->bke", h, weight)
        return mixed - mixed.sum(-1, keepdim=True), h

    assert of(step, (2, 3)) == Cost(
        products=2 * 2 * 3 * 3, pointwise=12, state=48, inputs=0, weights=72
    )
