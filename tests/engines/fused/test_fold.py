"""Sums that begin with a product."""

from __future__ import annotations

import torch

from ostinato.engines.fused import ir
from ostinato.engines.fused.fold import fold
from ostinato.engines.fused.ir import leaf, pointwise
from ostinato.engines.fused.lower import Core

from .evaluator import evaluate

H, X = leaf("carry", 0, (4,)), leaf("input", 0, (3,))
W, U, B = leaf("const", 0, (4, 4)), leaf("const", 1, (3, 4)), leaf("const", 2, (4,))


def core(new, *exports):
    return Core((H,), (X,), (W, U, B), (new,), exports)


def same_numbers(given):
    shapes = {H: (5, 4), X: (5, 3), W: (4, 4), U: (3, 4), B: (4,)}
    leaves = {v: torch.randn(s, dtype=torch.float64) for v, s in shapes.items()}
    folded = fold(given)
    found, expected = (evaluate([c.new_carry[0], *c.exports], leaves, 5) for c in (folded, given))
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)
    return folded


def test_bias_and_input_begin_the_product_of_the_state():
    given = pointwise("add", pointwise("add", ir.matmul(X, U), B), ir.matmul(H, W))
    new = same_numbers(core(pointwise("tanh", given))).new_carry[0].args[0]
    assert new.op == "matmul"
    assert new.args[0] is H
    start = new.args[2]
    assert start.op == "matmul"
    assert start.args[0] is X
    assert start.args[2] is B


def test_a_product_that_is_read_elsewhere_too_stays():
    product = ir.matmul(H, W)
    folded = same_numbers(core(pointwise("tanh", pointwise("add", product, B)), product))
    assert folded.new_carry[0].args[0].op == "add"


def test_what_does_not_lie_in_rows_is_added_afterwards():
    turned = ir.reshape(ir.permute(ir.reshape(ir.matmul(X, U), (2, 2)), (1, 0)), (4,))
    folded = same_numbers(core(pointwise("add", ir.matmul(H, W), pointwise("mul", turned, 2.0))))
    assert folded.new_carry[0].op == "matmul"
