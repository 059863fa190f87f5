"""Tiles that fit, and the one that is taken."""

from __future__ import annotations

import pytest
import torch

from ostinato.engines.fused.device.tiles import Tile, candidates, choose

from ..steps import W
from .kernels import sources

ELEMENTWISE = sources(lambda h, x: torch.sigmoid(h) * x)["forward"]
DENSE = sources(lambda h, x: torch.tanh(h @ W + x))["forward"]


@pytest.mark.parametrize("rows", [1, 3, 16, 1000])
@pytest.mark.parametrize("source", [ELEMENTWISE, DENSE], ids=["elementwise", "dense"])
def test_candidates_are_powers_of_two_and_cover_all(source, rows):
    for tile in candidates(source, rows):
        for number in (tile.rows, tile.warps, tile.units or 1):
            assert number & (number - 1) == 0
        high, wide = tile.grid(rows, source.elements)
        assert (high - 1) * tile.rows < rows <= high * tile.rows
        assert bool(tile.units) == bool(source.elements)
        if tile.units:
            assert (wide - 1) * tile.units < source.elements <= wide * tile.units


def test_products_take_as_many_rows_as_their_units():
    assert choose(DENSE, 1).rows == choose(DENSE, 17).rows == 16


def test_more_rows_than_the_device_holds_side_by_side_make_taller_tiles():
    assert choose(DENSE, 2**17).rows > 16


def test_elements_are_spread_over_programs():
    assert choose(ELEMENTWISE, 32) == Tile(rows=1, units=8, warps=1)
