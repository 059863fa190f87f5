"""The derivative in one generated function, against torch.func."""

from __future__ import annotations

import pytest
import torch
from torch.func import jacfwd, vmap

from ostinato.compiler.fission import split
from ostinato.compiler.stages import stages
from ostinato.compiler.trace import trace
from ostinato.engines.fused.absorb import absorb
from ostinato.engines.fused.jacobian import Jacobian, linear
from ostinato.engines.fused.layout import LowerError
from ostinato.engines.fused.lower import lower

from .kernels import needs_compiler

N, D, F64 = 5, 3, torch.float64


class Pair:
    """Two leaves of which every unit reads both of its own."""

    def __init__(self):
        torch.manual_seed(0)
        self.matrix = torch.randn(D, 2 * N, dtype=F64, requires_grad=True)
        self.bias = torch.randn(2 * N, dtype=F64, requires_grad=True)
        self.slope = torch.randn(2, N, dtype=F64, requires_grad=True)

    def __call__(self, carry, x, change=0.0):
        a, b = carry
        u, v = (torch.addmm(self.bias, x, self.matrix) + change).chunk(2, -1)
        new = torch.tanh(u + self.slope[0] * b) * a
        return (new, torch.sigmoid(v) * b + self.slope[1] * new), new


def test_a_leaf_that_is_not_read_is_left_out():
    def step(carry, x):
        a, b = carry
        return (torch.tanh(a), a + b), a

    state = (torch.zeros(2, N), torch.zeros(2, N))
    found = linear(lower(split(trace(step, state, torch.zeros(2, N)))))
    assert set(found.jacobian) == {(0, 0), (1, 0), (1, 1)}
    assert not found.changes
    assert not found.operands


@needs_compiler
@pytest.mark.parametrize(("steps", "rows"), [(1, 1), (7, 1), (3, 5), (2, 40)])
def test_it_is_the_derivative(steps, rows):
    step = Pair()
    state = tuple(torch.randn(steps, rows, N, dtype=F64) for _ in range(2))
    x = torch.randn(rows, steps, D, dtype=F64).transpose(0, 1)
    fission = absorb(split(trace(step, tuple(leaf[0] for leaf in state), x[0])), F64)
    core = lower(fission)
    jacobian = Jacobian(core, F64)
    constants = [each.detach() for each in stages(fission).constants()]
    known = jacobian.at(state, [x], constants)

    def new(a, b, x, change):
        return torch.stack(step((a[None], b[None]), x[None], change)[0])[:, 0]

    flat = [each.flatten(0, 1) for each in (*state, x)]
    change = x.new_zeros(2 * N)
    by_leaf = [vmap(jacfwd(new, i), (0, 0, 0, None))(*flat, change) for i in range(2)]
    for i in range(2):
        for j in range(2):
            expected = by_leaf[j][:, i].diagonal(0, 1, 2).view(steps, rows, N)
            torch.testing.assert_close(known[jacobian.linear.jacobian[i, j]], expected)
    by_change = vmap(jacfwd(new, 3), (0, 0, 0, None))(*flat, change).sum(2)
    matrix = next(i for i, each in enumerate(constants) if each.shape == (D, 2 * N))
    for i in range(2):
        found = known[jacobian.linear.changes[matrix, i]]
        torch.testing.assert_close(found, by_change[:, i].view(steps, rows, 2 * N))
    torch.testing.assert_close(known[jacobian.linear.operands[matrix]], x.contiguous())


def test_a_matrix_that_is_multiplied_twice_is_refused():
    matrix = torch.randn(N, N, requires_grad=True)

    def step(h, x):
        h = torch.tanh(h @ matrix + x @ matrix)
        return h, h

    fission = split(trace(step, torch.zeros(2, N), torch.zeros(2, N)))
    with pytest.raises(LowerError, match="more than one value"):
        linear(lower(absorb(fission, torch.float32)))
