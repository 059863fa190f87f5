"""Layers by name, with the same numbers at every call."""

from __future__ import annotations

import pytest
import torch

from ostinato.bench.sweep.entry import Spot
from ostinato.bench.sweep.nets import build, inputs, width


@pytest.mark.parametrize(("name", "heads"), [("LSTM", 1), ("SLSTM", 2), ("HeadsStep", 2)])
def test_weights_and_inputs_are_the_same_every_time(name, heads):
    spot = Spot(name, 4, 2, 3, heads)
    first, again = build(spot), build(spot)
    assert all(map(torch.equal, first.parameters(), again.parameters()))
    assert getattr(first, "heads", 1) == heads
    (x, cotangent), (same, _) = inputs(spot, first, "cpu"), inputs(spot, again, "cpu")
    assert x.requires_grad
    assert torch.equal(x, same)
    assert cotangent.shape == (2, 3, 4)


def test_all_numbers_are_of_one_dtype():
    spot = Spot("LSTM", 4, 2, 3, dtype="bfloat16")
    cell = build(spot)
    found = {each.dtype for each in (*inputs(spot, cell, "cpu"), *cell.parameters())}
    assert found == {torch.bfloat16}


def test_the_input_is_as_wide_as_the_cell_says():
    spot = Spot("DiagonalStep", 4, 2, 3)
    assert width(build(spot)) == 8
    assert inputs(spot, build(spot), "cpu")[0].shape == (2, 3, 8)
