"""The estimate of a step: it follows what a program is asked for."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from ostinato.engines.fused.device.estimate import HELD, spilled, step_time
from ostinato.engines.fused.device.target import SM_90
from ostinato.engines.fused.device.tiles import Tile
from ostinato.engines.rates import Rates

from ..steps import W
from .kernels import sources

RATES = Rates()
DENSE = sources(lambda h, x: torch.tanh(h @ W + x))["forward"]
ELEMENTWISE = sources(lambda h, x: torch.tanh(h + x))["forward"]


def time(source=DENSE, tile=None, rows=16, rates=RATES):
    return step_time(source, tile or Tile(16, 0, 4), rows, SM_90, rates)


def test_a_step_takes_at_least_what_the_device_waits():
    assert time() > RATES.product_step
    tile = Tile(1, 8, 1)
    assert RATES.pointwise_step < time(ELEMENTWISE, tile, 1) < RATES.product_step


def test_programs_that_find_no_place_come_later():
    side_by_side = 16 * SM_90.multiprocessors
    assert time(rows=side_by_side) == time()
    assert time(rows=64 * side_by_side) > 16 * time()


@pytest.mark.parametrize("name", ["pointwise", "cache"])
def test_what_is_slower_takes_longer(name):
    slow = replace(RATES, **{name: getattr(RATES, name) / 100})
    large = replace(DENSE, products=2**18)
    assert time(large, rates=slow) > time(large)


def test_coarser_products_are_faster():
    times = [time(replace(DENSE, precision=p)) for p in ("ieee", "tf32x3", "tf32")]
    assert times == sorted(times, reverse=True)


def test_memory_bounds_from_below():
    slow = replace(RATES, bandwidth=1.0)
    assert time(rates=slow) == 16 * DENSE.pressure.moved * 8


def test_what_finds_no_register():
    held = DENSE.pressure.live * 2
    fitting = -(-held * 16 // (32 * HELD))
    assert spilled(DENSE, Tile(16, 0, 4)) == max(0, held * 16 - 128 * HELD)
    tall = Tile(1024 * fitting, 0, 4)
    assert spilled(DENSE, tall) == held * tall.rows - 128 * HELD


def test_parts_that_are_read_before_their_turn_are_not_waited_for():
    one, three = (time(replace(DENSE, chunks=16), Tile(16, 0, 4, n)) for n in (1, 3))
    assert one - three == pytest.approx(16 * RATES.chunk * 2 / 3)
