"""Text of blocks: where elements lie, what operations are written as."""

from __future__ import annotations

import pytest
import torch

from ostinato.engines.fused import ir
from ostinato.engines.fused.device.blocks import (
    Block,
    computed,
    expression,
    index,
    is_whole,
    literal,
    load,
    power_of_two,
    store,
)
from ostinato.engines.fused.ir import leaf, pointwise
from ostinato.engines.fused.schedule import view


@pytest.mark.parametrize(
    ("sizes", "strides"), [([6], (1,)), ([2, 3], (3, 1)), ([2, 3, 4], (1, 0, 7)), ([5], (0,))]
)
def test_elements_lie_where_their_axes_say(sizes, strides):
    memory = torch.arange(100)
    expected = torch.as_strided(memory, sizes, strides).flatten()
    found = [eval(index("j", sizes, strides), {"j": j}) for j in range(len(expected))]
    assert found == expected.tolist()


def test_powers_of_two():
    assert [power_of_two(n) for n in (1, 2, 3, 8, 9)] == [1, 2, 4, 8, 16]


@pytest.mark.parametrize("value", [0.1, -3.0, float("inf"), float("-inf"), 1e-300])
def test_numbers_are_written_exactly(value):
    assert eval(literal(value)) == value


def test_every_operation_has_a_text():
    x = leaf("input", 0, (3,))
    for op in ir.POINTWISE:
        count = 3 if op == "where" else 1 if op in ir.UNARY else 2
        value = ir.make(op, [x] * (count - 1) + [ir.number(0.5)], (3,))
        assert expression(value, [Block("a")] * count, "tl.float32")


def test_truth_values_are_told_from_numbers():
    x = leaf("input", 0, (3,))
    value = pointwise("lt", x, 0.5)
    block = computed("v", value, [Block("x"), Block("n", rows=False, wide=False)])
    assert block == Block("v", rows=True, wide=True, truth=True)
    assert block.number("tl.float64") == "v.to(tl.float64)"
    assert (block.condition, Block("x").condition) == ("v", "(x != 0)")
    assert expression(pointwise("add", x, value), [Block("x"), block], "tl.float64") == (
        "x + v.to(tl.float64)"
    )


def test_a_mask_that_hides_nothing_is_left_out():
    assert load("p", "") == "tl.load(p)"
    assert load("p", "m") == "tl.load(p, mask=m, other=0)"
    assert (store("p", "v", ""), store("p", "v", "m")) == (
        "tl.store(p, v)",
        "tl.store(p, v, mask=m)",
    )


def test_a_view_of_all_elements_in_order_is_whole():
    x = leaf("input", 0, (2, 3))
    assert is_whole(view(ir.reshape(x, (6,))))
    assert not is_whole(view(ir.cut(x, 1, 0, 2)))
    assert not is_whole(view(ir.permute(x, (1, 0))))
