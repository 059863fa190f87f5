"""Dropout acts on what enters a step, and on nothing that is carried."""

from __future__ import annotations

import pytest
import torch
from torch.autograd import gradcheck

from ostinato.cells.lstm import LSTMCell
from ostinato.core.errors import ArgumentError
from ostinato.core.state import index
from ostinato.over.time import RNN
from ostinato.wrap import RecurrentDropout, VariationalDropout

from .toys import Identity, Plain, Tree


def lstm() -> LSTMCell:
    return LSTMCell(3, 4, dtype=torch.float64)


def normal(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float64)


def test_recurrent_dropout_is_the_step_from_the_masked_state() -> None:
    cell = lstm()
    wrapped = RecurrentDropout(cell, (0.25, 0.0))
    x, (h, c) = normal(5, 3), (normal(5, 4), normal(5, 4))
    kept = torch.rand(5, 4) < 0.75
    y, (new_h, new_c) = wrapped(x, (h, c), ((kept, None), None))
    expected_y, (expected_h, expected_c) = cell(x, (h * kept / 0.75, c))
    torch.testing.assert_close(new_h, expected_h)
    torch.testing.assert_close(new_c, expected_c)
    torch.testing.assert_close(y, expected_y)


def test_variational_dropout_masks_input_state_and_output() -> None:
    cell = lstm()
    wrapped = VariationalDropout(cell, input=0.5, state=(0.2, 0.0), output=0.1)
    x, (h, c) = normal(5, 3), (normal(5, 4), normal(5, 4))
    a, b, d = torch.rand(5, 3) < 0.5, torch.rand(5, 4) < 0.8, torch.rand(5, 4) < 0.9
    y, (new_h, new_c) = wrapped(x, (h, c), ((a, (b, None), d), None))
    expected_y, (expected_h, expected_c) = cell(x * a / 0.5, (h * b / 0.8, c))
    torch.testing.assert_close(new_h, expected_h)
    torch.testing.assert_close(new_c, expected_c)
    torch.testing.assert_close(y, expected_y * d / 0.9)


@pytest.mark.parametrize("kind", [RecurrentDropout, VariationalDropout])
def test_without_noise_the_step_is_bitwise_the_cell_inside(kind: type) -> None:
    cell = lstm()
    wrapped = kind(cell, 0.5) if kind is RecurrentDropout else kind(cell, 0.5, 0.5, 0.5)
    x = normal(2, 6, 3)
    y, state = RNN(wrapped).eval()(x)
    expected, expected_state = RNN(cell)(x)
    assert torch.equal(y, expected)
    assert torch.equal(state[1], expected_state[1])
    assert not isinstance(wrapped.native(), str)


@pytest.mark.parametrize("wrap", [lambda c: RecurrentDropout(c, 0), VariationalDropout])
def test_rate_zero_draws_no_noise(wrap: object) -> None:
    assert wrap(lstm()).sample_noise(2, 3) is None


def test_the_output_mean_over_masks_is_the_output_without() -> None:
    wrapped = VariationalDropout(Identity(1), input=0.3, state=0.4, output=0.5)
    noise = wrapped.sample_noise(40_000, 1, torch.Generator().manual_seed(0))
    x, state = normal(40_000, 1), wrapped.initial_state(40_000)
    y, _ = wrapped(x, state, index(noise, 0))
    assert abs(y.mean() - 1) < 0.03


def test_the_rate_is_the_part_that_is_dropped() -> None:
    generator = torch.Generator().manual_seed(0)
    (x_mask, h_mask, y_mask), _ = VariationalDropout(Plain(50, 50), 0.1, 0.2, 0.3).sample_noise(
        100, 1, generator
    )
    fresh, _ = RecurrentDropout(Plain(50, 50), 0.4).sample_noise(100, 1, generator)
    for mask, rate in ((x_mask, 0.1), (h_mask, 0.2), (y_mask, 0.3), (fresh, 0.4)):
        assert abs((~mask).double().mean() - rate) < 0.03


def test_masks_are_constant_or_fresh_over_time() -> None:
    generator = torch.Generator().manual_seed(0)
    (x_mask, h_mask, y_mask), _ = VariationalDropout(Plain(9, 8), 0.5, 0.5, 0.5).sample_noise(
        6, 7, generator
    )
    assert (x_mask.shape, h_mask.shape, y_mask.shape) == ((7, 6, 9), (7, 6, 8), (7, 6, 8))
    for mask in (x_mask, h_mask, y_mask):
        assert torch.equal(mask[0], mask[6])
        assert not torch.equal(mask[0, 0], mask[0, 1])
        assert mask.stride(0) == 0
    masks, _ = RecurrentDropout(Plain(9, 8), 0.5).sample_noise(6, 7, generator)
    assert not torch.equal(masks[0], masks[1])


def test_a_leaf_that_is_handed_on_untouched_is_carried_undropped() -> None:
    wrapped = RecurrentDropout(Tree(3, 4), 0.5)
    noise = wrapped.sample_noise(8, 20, torch.Generator().manual_seed(0))
    _, state = RNN(wrapped, engine="reference")(normal(8, 20, 3), noise=noise)
    assert torch.equal(state["kept"][0], torch.ones(8, 2, 2, dtype=torch.float64))
    assert state["steps"].tolist() == [20] * 8


def test_an_output_that_is_a_state_leaf_is_dropped_and_the_state_is_not() -> None:
    wrapped = VariationalDropout(Plain(3, 4), output=0.5)
    nothing = torch.zeros(2, 4, dtype=torch.bool)
    y, h = wrapped(normal(2, 3), normal(2, 4), ((None, None, nothing), None))
    assert torch.equal(y, torch.zeros_like(y))
    assert h.abs().min() > 0


def test_output_masks_have_the_shape_of_an_output_that_is_not_the_state() -> None:
    (_, _, mask), _ = VariationalDropout(Tree(5, 4), output=0.5).sample_noise(2, 3)
    assert mask.shape == (3, 2, 3)


def test_gradients_are_those_of_the_formula() -> None:
    wrapped = VariationalDropout(Plain(2, 3), 0.5, 0.5, 0.5)
    noise = index(wrapped.sample_noise(2, 1, torch.Generator().manual_seed(2)), 0)
    x, h = normal(2, 2).requires_grad_(), normal(2, 3).requires_grad_()
    assert gradcheck(lambda x, h: wrapped(x, h, noise)[0], (x, h))


@pytest.mark.parametrize("rate", [-0.1, 1.0, float("nan"), torch.tensor(0.5), (0.1, 1.0)])
def test_a_rate_out_of_range_is_rejected(rate: object) -> None:
    with pytest.raises(ArgumentError, match=r"must be a number in \[0, 1\)"):
        RecurrentDropout(lstm(), rate)
    with pytest.raises(ArgumentError, match=r"state must be a number in \[0, 1\)"):
        VariationalDropout(lstm(), state=rate)


@pytest.mark.parametrize("name", ["input", "output"])
def test_a_wrong_rate_is_named(name: str) -> None:
    with pytest.raises(ArgumentError, match=f"^{name} must be a number"):
        VariationalDropout(lstm(), **{name: 2.0})


def test_a_cell_that_hides_its_input_size_is_told_to_say_it() -> None:
    cell = Plain(3, 4)
    del cell.input_size
    VariationalDropout(cell, state=0.5)
    with pytest.raises(ArgumentError, match=r"Plain.input_size is None. Set it"):
        VariationalDropout(cell, input=0.5)


def test_an_input_of_another_shape_is_rejected() -> None:
    wrapped = VariationalDropout(Plain(3, 4), input=0.5)
    noise = index(wrapped.sample_noise(2, 1), 0)
    with pytest.raises(ArgumentError, match=r"takes one tensor \[2, 3\].*got float64\[2, 5\]"):
        wrapped(normal(2, 5), wrapped.initial_state(2), noise)
