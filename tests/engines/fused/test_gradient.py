"""The compiled core as a differentiable operation."""

from __future__ import annotations

import pytest
import torch

import ostinato as ost
from ostinato.cells import make_cell

from .kernels import both, needs_compiler

pytestmark = [needs_compiler, pytest.mark.usefixtures("quick_compile")]
W = torch.randn(4, 4, generator=torch.Generator().manual_seed(2), dtype=torch.float64)


def step(h, x):
    a, b = h
    new = torch.tanh(a @ W + x)
    return (new, b * 0.9 + new.sum(-1, keepdim=True)), new * b


def given(rows=3, steps=4):
    kwargs = {"dtype": torch.float64}
    state = (torch.randn(rows, 4, **kwargs), torch.randn(rows, 4, **kwargs))
    return state, torch.randn(steps, rows, 4, **kwargs)


@pytest.mark.parametrize(
    "options",
    [{}, {"reverse": True}, {"checkpoint": 2}, {"lengths": [4, 0, 2]},
     {"reverse": True, "checkpoint": 3}],
)  # fmt: skip
def test_gradients_in_every_direction(options):
    state, x = given()
    both(step, state, x, **options)


def test_gradients_of_gradients():
    cell = make_cell("GRU", 2, 2).double()
    x, h = torch.randn(2, 2, 2).double(), torch.randn(2, 2).double()
    leaves = [x.requires_grad_(), h.requires_grad_(), *cell.parameters()]

    def run(x, h, *_):
        return ost.RNN(cell, "fused")(x, h)

    assert torch.autograd.gradcheck(run, leaves[:2])
    assert torch.autograd.gradgradcheck(run, leaves[:2])


@pytest.mark.parametrize("wanted", [[0], [1], [2], [0, 2]])
def test_only_what_is_wanted_has_a_gradient(wanted):
    state, x = given()
    leaves = [t.requires_grad_(i in wanted) for i, t in enumerate((*state, x))]
    _, ys = ost.scan(step, tuple(leaves[:2]), leaves[2], engine="fused")
    ys.sum().backward()
    assert [i for i, leaf in enumerate(leaves) if leaf.grad is not None] == wanted


@pytest.mark.parametrize("part", ["last", "ys", "one step", "one row"])
def test_results_that_the_loss_leaves_out(part):
    results = []
    for engine in ("fused", "reference"):
        torch.manual_seed(1)
        state, x = given()
        x.requires_grad_()
        last, ys = ost.scan(step, state, x, engine=engine)
        of = {"last": last[1], "ys": ys, "one step": ys[1], "one row": ys[:, 1]}[part]
        results.append(torch.autograd.grad(of.sum(), x)[0])
    torch.testing.assert_close(*results, rtol=1e-12, atol=1e-12)


def test_cotangents_in_any_layout():
    results = []
    for engine in ("fused", "reference"):
        torch.manual_seed(1)
        state, x = given()
        x.requires_grad_()
        _, ys = ost.scan(step, state, x, engine=engine)
        grads = [torch.ones(()).double().expand_as(ys), torch.randn(4, 3, 4).double().mT.mT]
        grads.append(torch.randn(4, 4, 3).double().mT)
        results.append([torch.autograd.grad(ys, x, g, retain_graph=True)[0] for g in grads])
    torch.testing.assert_close(*results, rtol=1e-12, atol=1e-12)


def test_backward_twice_adds_up_and_changes_nothing_saved():
    state, x = given()
    x.requires_grad_()
    _, ys = ost.scan(step, state, x, engine="fused")
    first = torch.autograd.grad(ys.sum(), x, retain_graph=True)[0]
    assert torch.equal(first, torch.autograd.grad(ys.sum(), x)[0])


def test_a_tensor_changed_after_the_call_is_noticed():
    state, x = given()
    weight = torch.nn.Parameter(W.clone())
    _, ys = ost.scan(lambda h, x: (torch.tanh(h @ weight + x),) * 2, state[0], x, engine="fused")
    with torch.no_grad():
        weight.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        ys.sum().backward()
