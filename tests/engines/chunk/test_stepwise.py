from __future__ import annotations

import torch

from ostinato.engines.chunk.operands import Operands
from ostinato.engines.chunk.stepwise import stepwise

F64 = torch.float64


def test_matrices_of_the_transition_by_hand():
    q, k, erase = (torch.randn(1, 3, 4, dtype=F64) for _ in range(3))
    v, g = torch.randn(1, 3, 2, dtype=F64), -torch.rand(1, 3, 4, dtype=F64)
    state = torch.randn(1, 4, 2, dtype=F64)
    o, last = stepwise(Operands(q, k, v, g, erase), state)
    expected = state[0]
    for t in range(3):
        a = torch.eye(4, dtype=F64) - torch.outer(k[0, t], erase[0, t])
        expected = a @ torch.diag(g[0, t].exp()) @ expected + torch.outer(k[0, t], v[0, t])
        torch.testing.assert_close(o[0, t], expected.T @ q[0, t])
    torch.testing.assert_close(last[0], expected)


def test_no_steps():
    none = torch.zeros(2, 0, 3)
    o, last = stepwise(Operands(none, none, none, None, None), torch.ones(2, 3, 3))
    assert o.shape == (2, 0, 3)
    assert last.sum() == 18
