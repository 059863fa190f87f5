"""The clip of a gradient: values, transforms, and what it refuses."""

from __future__ import annotations

import math

import pytest
import torch

import ostinato as ost
from ostinato.core.errors import ArgumentError, EngineError

X = torch.tensor([1.0, -2.0, 0.5, 3.0, 4.0, 5.0], dtype=torch.float64)
G = torch.tensor([0.1, -7.0, 7.0, math.nan, math.inf, -math.inf], dtype=torch.float64)


def gradient(limit, g=G):
    x = X.clone().requires_grad_()
    y = ost.clip_gradient(x, limit)
    assert torch.equal(y, x)
    return torch.autograd.grad(y, x, g)[0].tolist()


def test_every_element_is_clipped_and_what_is_not_finite_becomes_zero():
    assert gradient(0.5) == [0.1, -0.5, 0.5, 0, 0, 0]
    assert gradient(math.inf) == [0.1, -7, 7, 0, 0, 0]


def test_the_result_is_no_view():
    x = X.clone()
    ost.clip_gradient(x, 1.0).zero_()
    assert torch.equal(x, X)


def test_transforms():
    def function(x):
        return 3 * ost.clip_gradient(x, 0.5)

    half, three = torch.full_like(X, 0.5), torch.full_like(X, 3.0)
    assert torch.equal(torch.func.grad(lambda x: function(x).sum())(X), half)
    assert torch.equal(torch.func.vmap(torch.func.grad(function))(X), half)
    assert torch.equal(torch.func.jacrev(function)(X).diagonal(), half)
    # The derivative of the identity: forward mode has no gradient to be clipped.
    assert torch.equal(torch.func.jvp(function, (X,), (torch.ones_like(X),))[1], three)
    again = torch.utils.checkpoint.checkpoint(function, X.requires_grad_(), use_reentrant=False)
    assert torch.equal(torch.autograd.grad(again.sum(), X)[0], half)
    X.requires_grad_(False)


def test_in_a_compiled_graph():
    x = X.clone().requires_grad_()
    compiled = torch.compile(
        lambda x: 3 * ost.clip_gradient(x, 0.5), fullgraph=True, backend="aot_eager"
    )
    assert torch.autograd.grad(compiled(x).sum(), x)[0].tolist() == [0.5] * 6


def test_a_second_derivative_is_refused():
    x = X.clone().requires_grad_()
    (g,) = torch.autograd.grad((ost.clip_gradient(x, 0.5) ** 2).sum(), x, create_graph=True)
    with pytest.raises(EngineError, match="cannot be differentiated again"):
        g.sum().backward()


@pytest.mark.parametrize("engine", ["reference", "fused"])
def test_of_a_recurrence_too(engine):
    def step(h, x):
        h = torch.tanh(x + ost.clip_gradient(h, 1.0))
        return h, h

    h, x = torch.randn(2, 3, requires_grad=True), torch.randn(4, 2, 3)
    loss = ost.scan(step, h, x, engine=engine)[1].sum()
    with pytest.raises(EngineError, match="cannot be differentiated again"):
        torch.autograd.grad(loss, h, create_graph=True)[0].sum().backward()


@pytest.mark.parametrize("limit", [0, -1.0, math.nan, True, "1"])
def test_limits_are_positive(limit):
    with pytest.raises(ArgumentError, match="limit must be a positive number"):
        ost.clip_gradient(X, limit)


def test_whole_numbers_have_no_gradient():
    with pytest.raises(ArgumentError, match=r"real numbers; got torch\.int64"):
        ost.clip_gradient(torch.ones(2, dtype=torch.int64), 1.0)
