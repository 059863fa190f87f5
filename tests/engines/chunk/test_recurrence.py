from __future__ import annotations

import torch

from ostinato.engines.chunk.operands import Operands
from ostinato.engines.chunk.recurrence import recur
from ostinato.engines.chunk.stepwise import stepwise

F64 = torch.float64


def made(steps=9):
    q, k, v, erase = (torch.randn(2, steps, 3, dtype=F64) / 2 for _ in range(4))
    g = -torch.rand(2, steps, 1, dtype=F64)
    operands = Operands(q, k, v, g, erase).map(torch.Tensor.requires_grad_)
    return operands, torch.randn(2, 3, 3, dtype=F64, requires_grad=True)


def test_gradients_and_their_gradients():
    operands, state = made(4)

    def run(state, *operands):
        return recur(Operands(*operands), state)

    torch.autograd.gradcheck(run, (state, *operands))
    torch.autograd.gradgradcheck(run, (state, *operands))


def test_only_what_is_wanted_has_a_gradient():
    operands, state = made()
    operands = operands._replace(q=operands.q.detach(), g=None)
    recur(operands, state)[1].sum().backward()
    assert state.grad is not None
    assert operands.v.grad is not None


def test_no_steps_and_no_rows():
    operands, state = made(0)
    o, last = recur(operands, state)
    assert o.shape == (2, 0, 3)
    assert last.equal(state)
    none = made()[0].map(lambda x: x[:0])
    assert recur(none, state[:0])[0].shape == (0, 9, 3)


def test_transforms_of_torch_go_through():
    operands, state = made()
    tangent = torch.randn_like(state)
    found = torch.func.jvp(lambda s: recur(operands, s), (state,), (tangent,))[1]
    expected = torch.func.jvp(lambda s: stepwise(operands, s), (state,), (tangent,))[1]
    torch.testing.assert_close(found, expected)
