"""Tiles that fit, and their order."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from ostinato.engines.fused.device.target import SM_90
from ostinato.engines.fused.device.tiles import candidates, choose, ordered
from ostinato.engines.fused.layout import LowerError
from ostinato.engines.rates import Rates

from ..steps import W
from .kernels import sources

RATES = Rates()
ELEMENTWISE = sources(lambda h, x: torch.sigmoid(h) * x)["forward"]
DENSE = sources(lambda h, x: torch.tanh(h @ W + x))["forward"]
SOFTMAX = sources(lambda h, x: torch.softmax(h + x, -1))["forward"]


@pytest.mark.parametrize("rows", [1, 3, 16, 1000])
@pytest.mark.parametrize("source", [ELEMENTWISE, DENSE, SOFTMAX], ids=["each", "dense", "sums"])
def test_candidates_are_powers_of_two_and_cover_all(source, rows):
    found = candidates(source, rows, SM_90)
    assert len(found) == len(set(found))
    for tile in found:
        for number in (tile.rows, tile.warps, tile.units or 1):
            assert number & (number - 1) == 0
        high, wide = tile.grid(rows, source.elements)
        assert (high - 1) * tile.rows < rows <= high * tile.rows
        assert bool(tile.units) == bool(source.elements)
        if tile.units:
            assert (wide - 1) * tile.units < source.elements <= wide * tile.units


def test_the_best_estimate_is_first_and_all_are_there():
    found = ordered(ELEMENTWISE, 1000, SM_90, RATES)
    assert set(found) == set(candidates(ELEMENTWISE, 1000, SM_90))
    assert choose(ELEMENTWISE, 1000, SM_90, RATES) == found[0]


def test_products_take_as_many_rows_and_warps_as_their_units():
    for rows in (1, 17):
        best = choose(DENSE, rows, SM_90, RATES)
        assert best.rows == 16
        assert best.warps >= 4


def test_more_rows_than_the_device_holds_side_by_side_make_taller_tiles():
    assert choose(ELEMENTWISE, 2**17, SM_90, RATES).rows > choose(ELEMENTWISE, 2, SM_90, RATES).rows


def test_few_rows_are_spread_over_programs():
    assert choose(ELEMENTWISE, 32, SM_90, RATES).rows == 1


def test_a_smaller_device_is_asked_for_less():
    large = replace(DENSE, products=4096, precision="tf32", real="tl.float32")
    assert max(t.rows for t in candidates(large, 64, SM_90)) == 64
    small = replace(SM_90, shared=4 * (4096 + 2 * 16 * DENSE.widest))
    assert max(t.rows for t in candidates(large, 64, small)) == 16
    assert {t.warps for t in candidates(DENSE, 64, replace(SM_90, registers=2**15))} == {4}


def test_what_leaves_no_tile_is_named():
    with pytest.raises(LowerError, match=r"no tile fits sm_90: at most 2 bytes of shared memory"):
        candidates(DENSE, 1, replace(SM_90, shared=2))
    with pytest.raises(LowerError, match=r"no tile fits sm_90: blocks of 65536 elements"):
        candidates(replace(SOFTMAX, widest=2**16), 1, SM_90)
    with pytest.raises(LowerError, match="blocks of 4096 elements for 16 rows"):
        candidates(replace(DENSE, widest=2**12, precision="tf32", products=2**20), 1, SM_90)


def test_matrices_from_memory_are_read_before_their_turn():
    assert {tile.stages for tile in candidates(DENSE, 1, SM_90)} == {1}
    streamed = replace(DENSE, chunks=16)
    assert {tile.stages for tile in candidates(streamed, 1, SM_90)} == {1, 2, 3}
    assert choose(streamed, 1, SM_90, RATES).stages == 3
