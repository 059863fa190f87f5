import pytest
import torch
from torch import nn

import ostinato as ost
from ostinato.cells import cell_names, make_cell
from ostinato.compiler.entries import entries
from ostinato.compiler.fission import split
from ostinato.compiler.stages import stages
from ostinato.compiler.trace import TraceError, trace
from ostinato.core.state import leaves

F64 = torch.float64


def found_in(cell, size=3):
    x, state = torch.randn(2, size, dtype=F64), cell.initial_state(2)
    fission = split(trace(lambda h, x: cell(x, h)[::-1], state, x))
    state = [torch.randn_like(leaf) for leaf in leaves(state)]
    return entries(fission), stages(fission).constants(), state, x


@pytest.mark.parametrize("name", cell_names())
def test_the_gradient_is_that_of_the_changes_times_the_operands(name):
    torch.manual_seed(0)
    found, fixed, state, x = found_in(make_cell(name, 3, 4, dtype=F64))
    fixed = [each.detach().requires_grad_() for each in fixed]
    changes = [torch.zeros(2, entry.size, dtype=F64, requires_grad=True) for entry in found.found]
    results = found.step(*state, x, *fixed, *changes)
    new, operands = results[: len(state)], results[len(state) :]
    loss = sum((leaf * torch.randn_like(leaf)).sum() for leaf in new)
    own = torch.autograd.grad(loss, [*fixed, *changes], allow_unused=True)
    summed = [torch.zeros_like(each) for each in fixed]
    for entry, pulled, a in zip(found.found, own[len(fixed) :], operands, strict=True):
        if pulled is not None:
            parts = pulled.view(2, entry.parts, entry.outer)
            a = torch.ones(2, 1, 1, dtype=F64) if a is None else a
            whole = torch.einsum("bpn,bpd->pnd", parts, a).flatten(0, 1)
            summed[entry.constant] += entry.gradient(whole, fixed[entry.constant])
    for number in {entry.constant for entry in found.found}:
        expected = own[number]
        zeros = torch.zeros_like(fixed[number])
        torch.testing.assert_close(summed[number], zeros if expected is None else expected)


def test_without_products_the_state_depends_on_itself_where_it_is_read():
    found, fixed, (h,), x = found_in(make_cell("MinimalGated", 3, 4, dtype=F64))
    changes = [torch.zeros(2, entry.size, dtype=F64) for entry in found.found]
    jacobian = torch.autograd.functional.jacobian(
        lambda h: found.local(h, x, *fixed, *changes)[0].sum(0), h
    )
    off_diagonal = jacobian.sum(1) * (1 - torch.eye(4, dtype=F64))
    assert not off_diagonal.any()
    assert jacobian.any()


def test_a_constant_that_enters_otherwise_is_named():
    class Gathered(ost.Cell):
        def __init__(self):
            super().__init__()
            self.table = nn.Parameter(torch.randn(2, 3, dtype=F64))

        def initial_state(self, batch_size):
            return self.zeros(batch_size, 3)

        def forward(self, x, h):
            h = x + self.table[(h[:, 0] > 0).long()]
            return h, h

    with pytest.raises(TraceError, match=r"a constant of shape \[2, 3\] enters"):
        found_in(Gathered())


def test_a_constant_without_gradient_is_no_entry():
    cell = make_cell("ParaGRU", 3, 4, dtype=F64)
    whole = len(found_in(cell)[0].found)
    cell.input.weight.requires_grad_(False)
    assert len(found_in(cell)[0].found) == whole - 1


def test_a_check_that_nothing_reads_is_passed_over():
    class Solved(ost.Cell):
        def __init__(self):
            super().__init__()
            self.matrix = nn.Parameter(torch.eye(3, dtype=F64) + 0.1)

        def initial_state(self, batch_size):
            return self.zeros(batch_size, 3)

        def forward(self, x, h):
            h = h @ torch.linalg.inv(self.matrix) + x
            return h, h

    assert [entry.multiplies for entry in found_in(Solved())[0].found] == [True]
