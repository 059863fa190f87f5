"""Least bytes and operations, counted by hand."""

from __future__ import annotations

from dataclasses import replace

from ostinato.bench.measure import MODES
from ostinato.bench.sweep.entry import Question, Spot
from ostinato.bench.sweep.work import least


def of(cell, mode=MODES[0], hidden=4, batch=2, steps=5):
    return least(Question(Spot(cell, hidden, batch, steps), "fused", mode))


def test_bytes_are_those_of_inputs_outputs_and_weights():
    x, y, weights = 2 * 5 * 4, 2 * 5 * 4, 2 * 4 * 4 + 4
    assert of("Elman").traffic == 4 * (x + y + weights)
    assert of("Elman", MODES[1]).traffic == 3 * of("Elman").traffic
    assert of("DiagonalStep").traffic == 4 * (2 * x + y)


def test_narrow_numbers_are_less_traffic_for_the_same_operations():
    wide = Question(Spot("Elman", 4, 2, 5), "fused", MODES[1])
    narrow = least(replace(wide, spot=replace(wide.spot, dtype="bfloat16")))
    assert (2 * narrow.traffic, narrow.operations) == (least(wide).traffic, least(wide).operations)


def test_operations_of_a_step_are_those_of_its_equations():
    """A sigmoid, a product and a sum for each number."""
    assert of("DiagonalStep").operations == 3 * 4 * 2 * 5


def test_products_of_matrices_count_twice_their_size():
    """W x, U h, and the pointwise part: a sum, tanh; a bias is part of its product."""
    assert of("Elman").operations == (2 * 2 * 4 * 4 + 2 * 4) * 2 * 5


def test_the_gradient_has_two_products_more_for_each():
    products = 2 * 2 * 64 * 64 * 8 * 5
    training = of("Elman", MODES[1], hidden=64, batch=8).operations
    assert 3 * products <= training < 3.2 * products
