"""Zoneout keeps old values at random, and their mean without noise."""

from __future__ import annotations

import pytest
import torch
from torch.autograd import gradcheck

from ostinato.cells.lstm import LSTMCell
from ostinato.core.errors import ArgumentError
from ostinato.over.time import RNN
from ostinato.wrap import Zoneout

from .toys import Plain, Tree


def lstm() -> LSTMCell:
    return LSTMCell(3, 4, dtype=torch.float64)


def test_with_noise_units_are_the_old_or_the_new_by_the_mask() -> None:
    cell = lstm()
    wrapped = Zoneout(cell, (0.5, 0.25))
    x, state = torch.randn(5, 3).double(), (torch.randn(5, 4).double(), torch.randn(5, 4).double())
    masks = (torch.rand(5, 4) < 0.5, torch.rand(5, 4) < 0.5)
    y, (h, c) = wrapped(x, state, (masks, None))
    _, (new_h, new_c) = cell(x, state)
    m, k = masks[0].double(), masks[1].double()
    torch.testing.assert_close(h, m * state[0] + (1 - m) * new_h, rtol=0, atol=0)
    torch.testing.assert_close(c, k * state[1] + (1 - k) * new_c, rtol=0, atol=0)
    assert y is h


def test_without_noise_the_step_is_the_mean_over_masks() -> None:
    cell = lstm()
    wrapped = Zoneout(cell, (0.2, 0.7))
    x, state = torch.randn(1, 3).double(), (torch.randn(1, 4).double(), torch.randn(1, 4).double())
    y, (h, c) = wrapped(x, state)
    _, (new_h, new_c) = cell(x, state)
    torch.testing.assert_close(h, 0.2 * state[0] + 0.8 * new_h)
    torch.testing.assert_close(c, 0.7 * state[1] + 0.3 * new_c)
    assert y is h
    draws = 40_000
    many = tuple(leaf.expand(draws, -1) for leaf in state)
    noise = wrapped.sample_noise(draws, 1, torch.Generator().manual_seed(0))
    step_noise = ((noise[0][0][0], noise[0][1][0]), None)
    _, (noisy_h, _) = wrapped(x.expand(draws, -1), many, step_noise)
    torch.testing.assert_close(noisy_h.mean(0), h[0], rtol=0, atol=0.02)


def test_masks_have_the_rate_and_are_fresh_at_every_step() -> None:
    noise = Zoneout(lstm(), (0.05, 0.5)).sample_noise(50, 40, torch.Generator().manual_seed(1))
    (h_mask, c_mask), inner = noise
    assert inner is None
    assert h_mask.shape == (40, 50, 4)
    assert abs(h_mask.double().mean() - 0.05) < 0.01
    assert abs(c_mask.double().mean() - 0.5) < 0.02
    assert not torch.equal(c_mask[0], c_mask[1])


def test_a_leaf_of_rate_zero_draws_nothing_and_is_bitwise_that_of_the_cell() -> None:
    cell = lstm()
    wrapped = Zoneout(cell, (0.5, 0.0))
    (h_mask, c_mask), _ = wrapped.sample_noise(2, 3, None)
    assert h_mask is not None
    assert c_mask is None
    x, state = torch.randn(2, 3).double(), wrapped.initial_state(2)
    assert torch.equal(wrapped(x, state)[1][1], cell(x, state)[1][1])


def test_rate_zero_is_bitwise_the_cell_inside_and_keeps_its_fast_path() -> None:
    cell = lstm()
    wrapped = Zoneout(cell, 0.0)
    assert wrapped.sample_noise(2, 3) is None
    x = torch.randn(2, 6, 3).double()
    y, state = RNN(wrapped, engine="reference")(x)
    expected, expected_state = RNN(cell, engine="reference")(x)
    assert torch.equal(y, expected)
    assert all(torch.equal(a, b) for a, b in zip(state, expected_state, strict=True))
    assert not isinstance(wrapped.native(), str)
    assert isinstance(Zoneout(cell, 0.1).native(), str)


def test_rate_one_never_moves() -> None:
    wrapped = Zoneout(Plain(3, 4), 1.0)
    state = torch.randn(2, 4).double()
    x = torch.randn(2, 3).double()
    assert torch.equal(wrapped(x, state)[1], state)
    noise = wrapped.sample_noise(2, 1)
    assert torch.equal(wrapped(x, state, (noise[0][0], None))[1], state)


def test_leaves_that_are_no_floats_are_left_to_the_cell() -> None:
    wrapped = Zoneout(Tree(3, 4), 0.5)
    rnn = RNN(wrapped, engine="reference")
    for mode in (True, False):
        _, state = rnn.train(mode)(torch.randn(2, 5, 3).double())
        assert state["steps"].tolist() == [5, 5]


def test_gradients_are_those_of_the_formula() -> None:
    wrapped = Zoneout(Plain(2, 3), 0.4)
    mask = torch.rand(2, 3) < 0.5
    x = torch.randn(2, 2, dtype=torch.float64, requires_grad=True)
    h = torch.randn(2, 3, dtype=torch.float64, requires_grad=True)
    assert gradcheck(lambda x, h: wrapped(x, h)[1], (x, h))
    assert gradcheck(lambda x, h: wrapped(x, h, (mask, None))[1], (x, h))


@pytest.mark.parametrize("rate", [-0.1, 1.5, float("nan"), "much", None, (0.1, 2.0)])
def test_a_rate_out_of_range_is_rejected(rate: object) -> None:
    with pytest.raises(ArgumentError, match=r"rate of zoneout must be"):
        Zoneout(lstm(), rate)


def test_a_tree_of_another_structure_is_rejected_with_the_state() -> None:
    with pytest.raises(ArgumentError, match=r"like the state .*float64\[1, 4\]"):
        Zoneout(lstm(), (0.1, 0.2, 0.3))
