"""The language itself: values, identities, and what they stand for."""

from __future__ import annotations

import gc

import pytest
import torch

from ostinato.engines.fused import ir
from ostinato.engines.fused.ir import leaf, number, pointwise

from .evaluator import evaluate

B = 3


def same(value, expected, *leaves):
    """Whether a value over leaves with tensors is what torch makes of them."""
    (found,) = evaluate([value], dict(leaves), B)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)
    return True


@pytest.fixture
def x():
    return leaf("input", 0, (4, 6)), torch.randn(B, 4, 6, dtype=torch.float64)


def test_equal_computations_are_one_value(x):
    v, _ = x
    assert pointwise("add", v, 2.0) is pointwise("add", v, 2)
    assert ir.cut(v, 1, 0, 2) is not ir.cut(v, 1, 1, 2)
    assert pointwise("exp", v).order > v.order


def test_values_that_nobody_holds_are_forgotten():
    gc.collect()  # what earlier tests left in cycles would vanish in between
    size = len(ir._known)
    held = pointwise("exp", leaf("input", 77, (5,)))
    assert len(ir._known) == size + 2
    del held
    gc.collect()
    assert len(ir._known) == size


@pytest.mark.parametrize(
    ("shapes", "expected"),
    [
        ([(), (3,)], (3,)),
        ([(2, 1), (3,)], (2, 3)),
        ([(1,), (1,)], (1,)),
        ([(4, 1), (1, 5)], (4, 5)),
    ],
)
def test_operands_broadcast_as_in_torch(shapes, expected):
    assert ir.broadcast(shapes) == expected == tuple(torch.broadcast_shapes(*shapes))


@pytest.mark.parametrize(
    ("op", "a", "b", "result"),
    [
        ("add", "x", 0, "x"), ("add", 0, "x", "x"), ("sub", "x", 0, "x"), ("mul", "x", 1, "x"),
        ("mul", 1, "x", "x"), ("div", "x", 1, "x"), ("sub", 0, "x", None), ("div", 1, "x", None),
        ("pow", "x", 1, None), ("mul", "x", 0, None),
    ],
)  # fmt: skip
def test_only_exact_identities_are_applied(op, a, b, result, x):
    v, _ = x
    found = pointwise(op, *(v if each == "x" else float(each) for each in (a, b)))
    assert (found is v) == (result == "x")
    assert found.shape == v.shape


def test_an_identity_never_loses_a_broadcast():
    narrow, one = leaf("input", 0, (1,)), ir.expand(number(1), (5,))
    assert pointwise("mul", narrow, one).shape == (5,)


@pytest.mark.parametrize(
    ("rearrange", "torch_rearrange"),
    [
        (lambda v: ir.cut(v, 1, 2, 3), lambda t: t[:, :, 2:5]),
        (lambda v: ir.cut(ir.cut(v, 1, 1, 4), 1, 1, 2), lambda t: t[:, :, 2:4]),
        (lambda v: ir.cut(v, 0, 3, 1), lambda t: t[:, 3:4]),
        (lambda v: ir.reshape(v, (8, 3)), lambda t: t.reshape(B, 8, 3)),
        (lambda v: ir.permute(v, (1, 0)), lambda t: t.permute(0, 2, 1)),
        (lambda v: ir.expand(ir.cut(v, 0, 1, 1), (5, 6)), lambda t: t[:, 1:2].expand(B, 5, 6)),
        (lambda v: ir.concat([v, v], 0), lambda t: torch.cat([t, t], 1)),
        (lambda v: ir.reduce("sum", v, (1,)), lambda t: t.sum(2, keepdim=True)),
        (lambda v: ir.reduce("max", v, (1, 0)), lambda t: t.amax((1, 2), keepdim=True)),
        (lambda v: ir.sum_to(v, (6,)), lambda t: t.sum(1)),
        (lambda v: ir.sum_to(v, (4, 1)), lambda t: t.sum(2, keepdim=True)),
        (lambda v: ir.sum_to(v, ()), lambda t: t.sum((1, 2))),
    ],
)
@pytest.mark.parametrize("kind", ["input", "number"])
def test_rearrangements_of_tensors_and_of_one_repeated_number(rearrange, torch_rearrange, kind, x):
    v, t = x
    if kind == "number":
        v, t = ir.expand(number(0.5), (4, 6)), torch.full_like(t, 0.5)
    found = rearrange(v)
    assert same(found, torch_rearrange(t), x)
    if kind == "number" and found.op != "concat":
        assert ir.repeated(found) is not None


def test_a_cut_of_joined_values_is_the_one_that_holds_it(x):
    v, t = x
    joined = ir.concat([ir.cut(v, 1, 0, 2), pointwise("tanh", v)], 1)
    part = ir.cut(joined, 1, 3, 2)
    assert part is ir.cut(pointwise("tanh", v), 1, 1, 2)
    assert same(part, t[:, :, 1:3].tanh(), (v, t))
    assert ir.cut(joined, 1, 1, 2).op == "slice"
    assert ir.cut(joined, 0, 1, 2).op == "slice"


def test_a_cut_goes_through_pointwise_values(x):
    v, t = x
    column, w = leaf("const", 0, (4, 1)), torch.randn(4, 1, dtype=torch.float64)
    whole = pointwise("mul", pointwise("tanh", v), column)
    part = ir.cut(whole, 1, 2, 3)
    assert part.op == "mul"
    assert same(part, (t.tanh() * w)[:, :, 2:5], x, (column, w))


@pytest.mark.parametrize(
    ("view", "copies"),
    [
        (lambda v: v, False),
        (lambda v: pointwise("exp", v), False),
        (lambda v: ir.cut(v, 0, 1, 2), False),
        (lambda v: ir.cut(v, 2, 1, 2), False),
        (lambda v: ir.reshape(v, (6, 4)), False),
        (lambda v: ir.cut(v, 1, 1, 2), True),
        (lambda v: ir.cut(ir.cut(v, 2, 1, 2), 1, 0, 2), True),
        (lambda v: ir.permute(v, (1, 0, 2)), True),
        (lambda v: ir.permute(v, (0, 2, 1)), True),
        (lambda v: ir.expand(ir.cut(v, 2, 0, 1), (2, 3, 4)), True),
        (lambda v: ir.reshape(ir.cut(v, 2, 0, 2), (2, 3, 1, 2)), True),
        (lambda v: ir.expand(number(2), (2, 3, 4)), True),
    ],
)
def test_a_product_reads_evenly_spaced_rows(view, copies):
    x, t = leaf("input", 0, (2, 3, 4)), torch.randn(B, 2, 3, 4, dtype=torch.float64)
    seen = view(x)
    w, m = leaf("const", 0, (seen.shape[-1], 5)), torch.randn(seen.shape[-1], 5).double()
    product = ir.matmul(seen, w)
    assert (product.args[0] is not seen) == copies
    (rows,) = evaluate([seen], {x: t}, B)
    assert same(product, rows @ m, (x, t), (w, m))


def test_matrices_of_heads_and_the_other_way_round():
    x, t = leaf("input", 0, (2, 3)), torch.randn(B, 2, 3, dtype=torch.float64)
    w, m = leaf("const", 0, (2, 5, 3)), torch.randn(2, 5, 3, dtype=torch.float64)
    expected = torch.einsum("bki,kji->bkj", t, m)
    assert same(ir.matmul(x, w, transposed=True), expected, (x, t), (w, m))


def test_a_reduction_of_repeated_elements_reads_a_copy(x):
    v, t = x
    wide = ir.permute(ir.expand(ir.cut(v, 1, 0, 1), (4, 6)), (1, 0))
    total = ir.reduce("sum", wide, (0,))
    assert total.args[0].op not in ir.VIEWS
    assert same(total, t[:, :, :1].expand(B, 4, 6).mT.sum(1, keepdim=True), x)


def test_reachable_lists_arguments_first_and_stops_where_told(x):
    v, _ = x
    inner = pointwise("exp", v)
    outer = pointwise("add", inner, v)
    assert ir.reachable([outer]) == [v, inner, outer]
    assert ir.reachable([pointwise("sub", pointwise("tanh", v), inner)])[1].op == "tanh"
    assert ir.reachable([outer], frozenset({inner})) == [inner, v, outer]
    assert ir.reachable([inner, inner], frozenset({inner})) == [inner]
