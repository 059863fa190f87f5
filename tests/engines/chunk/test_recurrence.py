from __future__ import annotations

import pytest
import torch

from ostinato.engines.chunk import kernel
from ostinato.engines.chunk.recurrence import recur
from ostinato.engines.chunk.steps import Steps
from ostinato.engines.fused.toolchain import find_compiler

F64 = torch.float64


@pytest.fixture(params=["compiled", "torch"])
def way(request, monkeypatch):
    if request.param == "torch":
        monkeypatch.setattr(kernel, "compiled", lambda steps: False)
    return request.param


def made(count=9):
    """The delta rule with a gate."""
    q, k, v = (torch.randn(1, count, 2, 3, dtype=F64) / 2 for _ in range(3))
    g, beta = -torch.rand(1, count, 2, 1, dtype=F64), torch.rand(1, count, 2, dtype=F64)
    steps = Steps(q, k, v, g, k, beta).map(torch.Tensor.requires_grad_)
    return steps, torch.randn(1, 2, 3, 3, dtype=F64, requires_grad=True)


def test_gradients_and_their_gradients(way):
    steps, state = made(3)
    erase = steps.k.detach().clone().requires_grad_()

    def run(state, *steps):
        return recur(Steps(*steps), state)

    torch.autograd.gradcheck(run, (state, *steps))
    torch.autograd.gradgradcheck(run, (state, *steps))
    torch.autograd.gradcheck(run, (state, *steps._replace(erase=erase)))


def test_only_what_is_wanted_has_a_gradient(way):
    steps, state = made()
    steps = steps._replace(q=steps.q.detach(), g=None)
    recur(steps, state)[1].sum().backward()
    assert state.grad is not None
    assert steps.v.grad is not None


@pytest.mark.skipif(find_compiler() is None, reason="no C++ compiler")
def test_nothing_is_kept_without_gradients(monkeypatch):
    (steps, state), kept, forward = made(), [], kernel.forward

    def watched(*given):
        kept.append(given[-1])
        return forward(*given)

    monkeypatch.setattr(kernel, "forward", watched)
    with torch.no_grad():
        recur(steps, state)
    recur(steps, state)
    assert kept == [False, True]


def test_no_steps_and_no_rows(way):
    steps, state = made(0)
    o, last = recur(steps, state)
    assert o.shape == (1, 0, 2, 3)
    assert last.equal(state)
    none = made()[0].map(lambda x: x[:0])
    assert recur(none, state[:0])[0].shape == (0, 9, 2, 3)


def test_transforms_of_torch_go_through():
    steps, state = made()
    tangent = torch.randn_like(state)
    found = torch.func.jvp(lambda s: recur(steps, s)[0], (state,), (tangent,))[1]
    # It is linear in the state.
    expected = recur(steps, tangent)[0] - recur(steps, torch.zeros_like(state))[0]
    torch.testing.assert_close(found, expected)
