"""What is computed before a block of steps, in the loop, and after it."""

from __future__ import annotations

from ostinato.engines.fused import ir
from ostinato.engines.fused.ir import leaf, pointwise
from ostinato.engines.fused.phases import AFTER, BEFORE, LOOP, cut
from ostinato.engines.fused.program import Program

H, X = leaf("carry", 0, (4,)), leaf("input", 0, (4,))
W, U, V = (leaf("const", i, (4, 4)) for i in range(3))


def phases(new, results=None, **fields):
    return cut(
        Program(
            "f", carried={H: new}, results=results or {}, read={"x": X},
            constants={"w": W, "u": U, "v": V}, **fields,
        )
    )  # fmt: skip


def test_a_product_of_the_input_comes_first_and_is_kept():
    early, late = ir.matmul(X, U), ir.matmul(H, W)
    found = phases(pointwise("tanh", pointwise("add", early, late)))
    assert (found.computed[early], found.computed[late]) == (BEFORE, LOOP)
    assert found.kept == {early}


def test_cheap_operations_on_the_input_wait_for_the_loop():
    cheap = pointwise("exp", X)
    assert phases(pointwise("add", cheap, H)).computed[cheap] == LOOP


def test_what_leads_to_an_early_product_comes_first_too():
    cheap = pointwise("exp", X)
    found = phases(pointwise("add", pointwise("add", ir.matmul(cheap, U), cheap), H))
    assert found.computed[cheap] == BEFORE
    assert cheap in found.kept


def test_a_product_that_feeds_nothing_comes_last():
    new = pointwise("tanh", pointwise("add", ir.matmul(H, W), X))
    out = ir.matmul(new, V)
    found = phases(new, {"y": pointwise("add", out, 1.0)})
    assert found.computed[out] == AFTER
    assert found.computed[new] == LOOP
    assert found.kept == {new}
    assert not found.copied


def test_a_carried_leaf_that_is_read_late_is_copied():
    found = phases(pointwise("mul", H, 0.5), {"y": ir.matmul(H, V)})
    assert found.copied == {H}


def test_sums_are_kept_for_the_block():
    new = pointwise("tanh", H)
    assert phases(new, sums={"s": new}).kept == {new}
    assert phases(new, outers={"o": (X, new)}).kept == {new}
