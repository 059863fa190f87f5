"""The estimate of parts."""

from __future__ import annotations

import pytest

from ostinato.engines.parallel.device.chunks import chunk, estimates, length


def test_many_lanes_are_one_loop():
    assert chunk(1000, 2**18, 8, 4) == 1000
    assert chunk(1000, 2**16, 8, 4) == 1000


@pytest.mark.parametrize("lanes", [1, 64, 2048])
def test_few_lanes_over_a_long_time_are_parts(lanes):
    size = chunk(10_000, lanes, 8, 4)
    assert size < 1000
    assert size % 16 == 0


def test_a_short_time_is_not_worth_two_kernels_more():
    assert [chunk(steps, 8, 8, 4) for steps in (1, 2, 33, 64)] == [1, 2, 33, 64]


def test_estimates_rise_and_parts_hold_all_steps():
    found = estimates(1000, 64, 8, 4)
    assert list(found.values()) == sorted(found.values())
    assert {1, 2, 32} <= found.keys()
    for parts in found:
        assert parts * length(1000, parts) >= 1000
