from __future__ import annotations

from typing import NamedTuple

import pytest
import torch

from ostinato.core.errors import ShapeError
from ostinato.core.state import (
    check_like,
    describe,
    detach,
    index,
    leaves,
    map_state,
    move_axis,
    select,
    split,
    stack,
    unbind,
    zeros,
)


class Memory(NamedTuple):
    cell: torch.Tensor
    marks: list


def tree(size=2):
    return {"m": Memory(torch.randn(size, 3), [torch.arange(size)]), "none": None}


def test_map_keeps_structure_and_none():
    doubled = map_state(lambda leaf: leaf * 2, tree())
    assert isinstance(doubled["m"], Memory)
    assert doubled["none"] is None
    assert doubled["m"].marks[0].tolist() == [0, 2]


def test_zeros_and_detach():
    grown = {"h": torch.ones(2, requires_grad=True) * 3}
    assert not detach(grown)["h"].requires_grad
    assert zeros(grown)["h"].tolist() == [0, 0]


def test_select_takes_whole_rows():
    a, b = (torch.ones(2, 3), torch.ones(2)), (torch.zeros(2, 3), torch.zeros(2))
    chosen = select(torch.tensor([True, False]), a, b)
    assert chosen[0].tolist() == [[1, 1, 1], [0, 0, 0]]
    assert chosen[1].tolist() == [1, 0]


def test_stack_is_undone_by_unbind_and_by_split():
    trees = [tree() for _ in range(4)]
    stacked = stack(trees)
    for k, part in enumerate(unbind(stacked)):
        assert torch.equal(part["m"].cell, trees[k]["m"].cell)
    pieces = split(stacked, 3)
    assert [leaves(p)[0].shape[0] for p in pieces] == [3, 1]
    assert torch.equal(index(stacked, 2)["m"].cell, trees[2]["m"].cell)
    assert leaves(move_axis(stacked, 0, 1))[0].shape == (2, 4, 3)


def test_check_like_names_both_trees():
    check_like(tree(), tree(), "It", "Do this.")
    with pytest.raises(ShapeError, match=r"It is .*int64\[3\].*expected .*int64\[2\].*Do this\."):
        check_like(tree(3), tree(2), "It", "Do this.")
    with pytest.raises(ShapeError, match="expected"):
        check_like((torch.zeros(1),), [torch.zeros(1)], "It", "Do this.")


def test_describe_shows_dtypes_and_shapes():
    assert describe((torch.zeros(2, 3), None)) == "(float32[2, 3], NoneType)"
