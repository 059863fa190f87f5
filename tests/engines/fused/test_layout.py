"""Rows out of traced values and back, wherever the batch lies."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from ostinato.compiler.trace import trace
from ostinato.engines.fused.layout import (
    LowerError,
    batch_axis,
    from_rows,
    line,
    row_shape,
    to_rows,
)


def result(function, *shape):
    """The node that a function of (B, *shape) returns."""
    example = torch.zeros(3, *shape)
    return trace(lambda h, x: (h, function(x)), example, example).outputs[0]


@pytest.mark.parametrize(
    ("function", "axis", "rows"),
    [
        (lambda x: x * 2, 0, (4, 6)),
        (lambda x: x.permute(1, 0, 2), 1, (4, 6)),
        (lambda x: x.permute(2, 1, 0), 2, (6, 4)),
        (lambda x: x.sum((1, 2)), 0, ()),
        (lambda x: x.reshape(-1, 6), 0, (4, 6)),
        (lambda x: x.reshape(-1, 3), 0, (8, 3)),
        (lambda x: x.reshape(-1), 0, (24,)),
    ],
)
def test_rows_and_back(function, axis, rows):
    node = result(function, 4, 6)
    assert (batch_axis(node), row_shape(node)) == (axis, rows)
    value = function(torch.randn(5, 4, 6))
    as_rows = to_rows(value, node, 5)
    assert as_rows.shape == (5, *rows)
    torch.testing.assert_close(from_rows(as_rows, node, 5), value)


def test_rows_of_several_steps_at_once():
    node = result(lambda x: x.permute(1, 0, 2), 4, 6)
    x = torch.randn(3, 5, 4, 6)
    assert torch.equal(to_rows(x.flatten(0, 1).permute(1, 0, 2), node, 3, 5), x)


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (lambda x: x.sum(0), "does not keep one axis for the batch"),
        (lambda x: x.flatten(1) @ x.flatten(1).T, "does not keep one axis for the batch"),
        (lambda x: x.permute(1, 0, 2).reshape(2, -1, 6), "into a batch that is not first"),
    ],
)
def test_what_has_no_rows_is_refused(function, words):
    with pytest.raises(LowerError, match=words):
        row_shape(result(function, 4, 6))


class Step(nn.Module):
    def forward(self, x):
        y = x * 2
        return nn.functional.softmax(y, -1)


def test_the_line_is_the_user_s_own():
    found = line(result(Step(), 4))
    assert __file__ in found
    assert found.endswith("in forward return nn.functional.softmax(y, -1)")


def test_a_place_that_is_not_known_is_left_out():
    node = result(Step(), 4)
    node.meta["place"] = None
    assert line(node) == ""
