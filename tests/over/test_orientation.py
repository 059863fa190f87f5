"""Grids seen from four corners."""

from __future__ import annotations

import pytest
import torch

from ostinato.over.block import Block
from ostinato.over.orientation import FLIPS, flipped, oriented_scan

from .loops import draw, grid_loop, random_gates


def case(columns, rows, orientations=4):
    gates = [random_gates(columns, rows) for _ in range(orientations)]
    together = Block(*(torch.stack([vars(g)[name] for g in gates], 1) for name in vars(gates[0])))
    q, k, v = draw(columns, rows, 1, 3), draw(columns, rows, 1, 3), draw(columns, rows, 1, 2)
    return q, k, v, together, draw(columns, rows, 1, 1)


def by_loop(q, k, v, gates, direct):
    """Flip, run, flip back, add up."""
    columns, rows = q.shape[1:3]
    none = torch.zeros(2, max(columns, rows), 1, 3, 2, dtype=torch.float64)
    total = direct * (q @ k.mT) @ v * q.shape[-1] ** -0.5
    for o in range(gates.g.shape[1]):
        dims = [{"x": 1, "y": 2}[axis] for axis in FLIPS[o]]
        one = gates.map(lambda gate, o=o, dims=dims: gate[:, o].flip(dims))
        one = Block(**{**vars(one), "g": torch.zeros_like(one.g)})
        turned = [each.flip(dims) for each in (q, k, v)]
        y, _, _ = grid_loop(*turned, one, none[:, :rows], none[:, :columns])
        total = total + y.flip(dims)
    return total


@pytest.mark.parametrize("block", [None, (1, 1), (2, 4)])
@pytest.mark.parametrize("orientations", [1, 3, 4])
def test_all_forms_equal_the_loop(block, orientations):
    arguments = case(3, 5, orientations)
    found = oriented_scan(*arguments, block=block)
    torch.testing.assert_close(found, by_loop(*arguments), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("axis", ["x", "y"])
def test_a_mirrored_input_gives_a_mirrored_output_with_orientations_permuted(axis):
    q, k, v, gates, direct = case(4, 3)
    dim = {"x": 1, "y": 2}[axis]
    order = {"x": [1, 0, 3, 2], "y": [2, 3, 0, 1]}[axis]
    mirrored = gates.map(lambda gate: gate[:, order].flip(dim + 1))
    turned = [each.flip(dim) for each in (q, k, v)]
    found = oriented_scan(*turned, mirrored, direct.flip(dim))
    torch.testing.assert_close(found.flip(dim), oriented_scan(q, k, v, gates, direct))


def test_a_transposed_input_gives_a_transposed_output():
    q, k, v, gates, direct = case(4, 3)
    turned = [each.transpose(1, 2) for each in (q, k, v)]
    mirrored = gates.map(lambda gate: gate[:, [0, 2, 1, 3]]).transposed()
    found = oriented_scan(*turned, mirrored, direct.transpose(1, 2))
    torch.testing.assert_close(found.transpose(1, 2), oriented_scan(q, k, v, gates, direct))


def test_flips_are_their_own_inverse_and_leave_the_first_alone():
    x = draw(4, 3, 2, 1, 1)
    assert flipped(flipped(x)).equal(x)
    assert flipped(x)[:, 0].equal(x[:, 0])
    assert flipped(x)[:, 1].equal(x[:, 1].flip(1))
    assert flipped(x)[:, 2].equal(x[:, 2].flip(2))
