"""Moved elements are where torch puts them; along the rows nothing moves."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from ostinato.compiler.rearrange import RULES
from ostinato.compiler.record import record

F = nn.functional
MOVES = {
    "roll": lambda x: x.roll(2, -1),
    "roll_far": lambda x: x.roll(-7, 2),
    "roll_two": lambda x: x.roll((1, 2), (1, 2)),
    "roll_whole": lambda x: x.roll(3, 1),
    "flip": lambda x: x.flip(-1, 1),
    "cumsum": lambda x: x.cumsum(1),
    "repeat": lambda x: x.repeat(1, 2, 3),
    "repeat_new_axis": lambda x: x.repeat(2, 1, 1, 2),
    "pad": lambda x: F.pad(x, (1, 2, 0, 1), value=-1.0),
    "pad_negative": lambda x: F.pad(x, (-1, 2)),
    "pad_nothing": lambda x: F.pad(x, (0, 0)) * 1,
}


@pytest.mark.parametrize("name", MOVES)
def test_elements_are_where_torch_puts_them(name):
    module = record(lambda x: [MOVES[name](x)], [torch.zeros(2, 3, 4)])
    assert not {node.target for node in module.graph.nodes} & set(RULES)
    for rows in (1, 5):
        x = torch.randn(rows, 3, 4)
        torch.testing.assert_close(module(x)[0], MOVES[name](x))


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x.roll(1, 0),
        lambda x: x.roll(1),
        lambda x: x.flip(0),
        lambda x: x.cumsum(0),
        lambda x: x.repeat(1, 20).cumsum(1),
        lambda x: x.cumsum(1, dtype=torch.float64),
    ],
)
def test_what_goes_along_the_rows_or_far_stays_one_operation(function):
    module = record(lambda x: [function(x)], [torch.zeros(2, 3)])
    assert {node.target for node in module.graph.nodes} & set(RULES)


def test_what_is_padded_by_nothing_is_a_tensor_of_its_own():
    def step(x):
        y = x + 1
        padded = F.pad(y, (0, 0))
        padded.mul_(2)
        return [y]

    module = record(step, [torch.zeros(2, 3)])
    targets = {str(node.target) for node in module.graph.nodes}
    x = torch.randn(4, 3)
    assert any(name.endswith("mul_.Tensor") for name in targets) or torch.equal(module(x)[0], x + 1)
