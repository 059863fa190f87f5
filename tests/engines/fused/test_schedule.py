"""Orders of computation that are sound, and views that read the right elements."""

from __future__ import annotations

import pytest
import torch

from ostinato.engines.fused import ir
from ostinato.engines.fused.derive import derive
from ostinato.engines.fused.ir import leaf, pointwise
from ostinato.engines.fused.schedule import row_major, schedule, view

from .evaluator import evaluate
from .steps import STEPS, lowered


def check(results, given=()):
    """Every operand is at hand when it is read: in memory, or in the same loop before."""
    plan, known = schedule(results, given), frozenset(given)
    copied = {v for stage in plan.stages for v in stage.values if v.op in ir.VIEWS}
    done = set(known)
    for stage in plan.stages:
        within = set()
        for value in stage.values:
            assert value not in done | within, "computed twice"
            assert value.shape == stage.shape
            for arg in value.args:
                root = view(arg, known, copied).root
                if arg in within:
                    assert stage.kind == "loop"
                    assert arg.shape == stage.shape
                elif root.op not in ir.LEAVES and root not in known:
                    assert root in done, f"{value} reads {root} too early"
                    assert root in plan.stored, f"{value} reads {root}, which is not stored"
            within.add(value)
        done |= within
    for result in results:
        root = view(result, known, copied).root
        assert root.op in ir.LEAVES or root in known or (root in done and root in plan.stored)
    return plan


@pytest.mark.parametrize("name", STEPS)
def test_forward_and_backward_of_every_step(name):
    core, _ = lowered(STEPS[name])
    backward = derive(core)
    check([*core.new_carry, *core.exports, *backward.saved])
    results = [*backward.carry, *(v for v in backward.inputs if v is not None)]
    results += [each for sink in backward.matrices for each in (sink.entering, sink.returning)]
    check([*results, *backward.constants.values()], [*backward.saved, *core.carry])


def test_pointwise_values_of_one_shape_share_a_loop_and_registers():
    x = leaf("input", 0, (8,))
    inner = pointwise("tanh", x)
    outer = pointwise("mul", pointwise("exp", inner), inner)
    plan = check([outer])
    assert [stage.kind for stage in plan.stages] == ["loop"]
    assert plan.stored == {outer}


def test_a_product_between_two_loops_goes_through_memory():
    x, w = leaf("input", 0, (8,)), leaf("const", 0, (8, 8))
    before = pointwise("tanh", x)
    product = ir.matmul(before, w)
    plan = check([pointwise("add", product, before)])
    assert [stage.kind for stage in plan.stages] == ["loop", "matmul", "loop"]
    assert {before, product} < plan.stored


def test_what_is_given_is_not_computed_again():
    x, w = leaf("input", 0, (8,)), leaf("const", 0, (8, 8))
    product = ir.matmul(x, w)
    result = pointwise("tanh", product)
    assert [stage.values for stage in check([result], [product]).stages] == [(result,)]


def test_results_that_are_leaves_views_or_numbers_need_no_stage():
    x = leaf("input", 0, (8,))
    assert check([x, ir.cut(x, 0, 2, 3), ir.expand(ir.number(1), (4,))]).stages == ()


VIEWS = {
    "slice": lambda x: ir.cut(x, 1, 1, 2),
    "slice_of_slice": lambda x: ir.cut(ir.cut(x, 2, 1, 3), 0, 1, 1),
    "permute": lambda x: ir.permute(x, (2, 0, 1)),
    "permuted_slice": lambda x: ir.permute(ir.cut(x, 2, 1, 2), (1, 2, 0)),
    "expand": lambda x: ir.expand(ir.cut(x, 0, 1, 1), (5, 3, 4)),
    "expand_lead": lambda x: ir.expand(x, (7, 2, 3, 4)),
    "reshape": lambda x: ir.reshape(x, (6, 4)),
    "unsqueezed_permute": lambda x: ir.reshape(ir.permute(x, (1, 0, 2)), (3, 1, 2, 4)),
    "squeezed_slice": lambda x: ir.reshape(ir.cut(x, 1, 2, 1), (2, 4)),
    "slice_of_expand": lambda x: ir.cut(ir.expand(ir.cut(x, 2, 3, 1), (2, 3, 5)), 2, 1, 2),
}


@pytest.mark.parametrize("name", VIEWS)
def test_a_view_reads_the_right_elements(name):
    x = leaf("input", 0, (2, 3, 4))
    memory = torch.randn(1, 2, 3, 4)
    value = VIEWS[name](x)
    (expected,) = evaluate([value], {x: memory}, 1)
    seen = view(value)
    assert (seen.root, seen.shape) == (x, value.shape)
    found = torch.as_strided(memory, seen.shape, seen.strides, seen.offset)
    assert torch.equal(found, expected[0])
    assert seen.contiguous == found.is_contiguous()


def test_a_reshape_that_moves_elements_is_a_copy():
    x = leaf("input", 0, (2, 3))
    flat = ir.reshape(ir.permute(x, (1, 0)), (6,))
    assert [stage.kind for stage in check([pointwise("exp", flat)]).stages] == ["reshape", "loop"]


def test_strides_of_contiguous_elements():
    assert row_major((2, 3, 4)) == torch.empty(2, 3, 4).stride()
    assert row_major(()) == ()
