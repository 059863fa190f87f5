"""Forward mode written down once is forward mode."""

from __future__ import annotations

import pytest
import torch

from ostinato.cells import make_cell
from ostinato.compiler.fission import split
from ostinato.compiler.stages import stages
from ostinato.compiler.tangent import tangent
from ostinato.compiler.trace import trace
from ostinato.core.state import leaves, map_state

CELLS = ("Elman", "GRU", "LSTM", "LayerNormLSTM", "MinimalGated", "ParaGRU", "ParaLSTM")


def parts_of(name):
    cell = make_cell(name, 3, 4).double()
    carry = cell.initial_state(2)
    x = torch.randn(2, 3, dtype=torch.float64)
    return stages(split(trace(lambda h, x: cell(x, h)[::-1], carry, x))), carry, x


@pytest.mark.parametrize("name", CELLS)
@pytest.mark.parametrize("rows", [1, 5])
def test_it_is_the_derivative_for_any_number_of_rows(name, rows):
    parts, carry, x = parts_of(name)
    fixed = parts.constants()
    module = tangent(parts.core, leaves(carry), parts.inputs(2, x, *fixed), fixed)
    h, v = ([torch.randn(rows, 4, dtype=torch.float64) for _ in leaves(carry)] for _ in "hv")
    fed = parts.inputs(rows, torch.randn(rows, 3, dtype=torch.float64), *fixed)
    expected, moved = torch.func.jvp(
        lambda *h: parts.core(rows, *h, *fed, *fixed)[: len(h)], tuple(h), tuple(v)
    )
    found = module(*h, *v, *fed, *fixed)
    for a, b in zip(found, [*expected, *moved], strict=True):
        torch.testing.assert_close(a, b, atol=1e-13, rtol=1e-13)


def test_a_new_carry_that_does_not_read_the_old_one_has_no_derivative():
    traced = trace(lambda h, x: (x + 1, h), torch.zeros(2, 3), torch.randn(2, 3))
    parts = stages(split(traced))
    fed = parts.inputs(2, torch.randn(2, 3))
    module = tangent(parts.core, [torch.zeros(2, 3)], fed, [])
    new, moved = module(
        torch.zeros(4, 3), torch.ones(4, 3), *map_state(lambda t: t[:1].expand(4, 3), fed)
    )
    assert new.shape == moved.shape == (4, 3)
    assert not moved.any()


def test_a_number_among_the_parameters():
    gain = torch.tensor(0.7, dtype=torch.float64)
    h, x, v = torch.randn(3, 2, 4, dtype=torch.float64).unbind()
    parts = stages(split(trace(lambda h, x: (torch.tanh(gain * h + x), h), h, x)))
    fixed = parts.constants()
    fed = parts.inputs(2, x, *fixed)
    new, moved = tangent(parts.core, [h], fed, fixed)(h, v, *fed, *fixed)
    torch.testing.assert_close(new, torch.tanh(gain * h + x))
    torch.testing.assert_close(moved, gain * v * (1 - new**2))


def test_nothing_is_left_that_changes_nothing():
    parts, carry, x = parts_of("ParaGRU")
    fixed = parts.constants()
    graph = tangent(parts.core, [carry], parts.inputs(2, x, *fixed), fixed).graph
    names = {str(node.target) for node in graph.nodes if node.op == "call_function"}
    assert not {"aten.alias.default", "aten._to_copy.default"} & names


def test_products_of_heads_have_rows_and_heads_on_one_axis():
    def step(h, x):
        k = x.unflatten(1, (2, 1, 3))
        new = torch.tanh(h - k.mT @ (k @ h))
        return new, new

    draw = [torch.randn(4, *each, dtype=torch.float64) for each in ((2, 3, 5), (2, 3, 5), (6,))]
    h, v, x = draw
    parts = stages(split(trace(step, h, x)))
    module = tangent(parts.core, [h], parts.inputs(4, x), [])
    fed = parts.inputs(4, x)
    assert {len(each) for each in fed} == {8}
    expected = torch.func.jvp(lambda h: step(h, x)[0], (h,), (v,))
    torch.testing.assert_close(tuple(module(h, v, *fed)), expected, atol=1e-13, rtol=1e-13)
