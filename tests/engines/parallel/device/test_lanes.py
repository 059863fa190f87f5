"""Axes of lanes, and what a kernel is told of them."""

from __future__ import annotations

import torch

from ostinato.engines.parallel.device.lanes import Lanes


def test_axes_that_follow_one_another_are_one():
    x = torch.empty(7, 3, 4, 5)
    assert Lanes((3, 4, 5), {"b": x}).axes == 1
    masked = torch.empty(7, 3, 1, 1, dtype=torch.bool).expand(7, 3, 4, 5)
    lanes = Lanes((3, 4, 5), {"b": x, "cut": masked})
    assert lanes.sizes == {"lanes": 60, "n_1": 20}
    told = lanes.arguments("cut")
    assert (told["cut_time"], told["cut_lane_0"], told["cut_lane_1"]) == (3, 1, 0)


def test_backwards_and_channels():
    x = torch.arange(2 * 3 * 2.0).reshape(2, 3, 2)
    told = Lanes((3,), {"b": x}).arguments("b", reverse=True)
    assert told["b"].data_ptr() == x[1].data_ptr()
    assert (told["b_time"], told["b_lane_0"], told["b_row"]) == (-6, 2, 1)


def test_complex_numbers_are_pairs():
    x = torch.empty(2, 3, dtype=torch.complex64).conj()
    told = Lanes((3,), {"a": x}).arguments("a")
    assert told["a"].dtype == torch.float32
    assert (told["a_time"], told["a_lane_0"]) == (6, 2)
