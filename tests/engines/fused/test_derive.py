"""The derived backward step against autograd, in float64."""

from __future__ import annotations

import pytest
import torch

from ostinato.engines.fused import ir
from ostinato.engines.fused.derive import derive
from ostinato.engines.fused.ir import leaf, pointwise
from ostinato.engines.fused.lower import Core

from .evaluator import evaluate
from .steps import STEPS, lowered

B = 3


def gradients(core, leaves, grads):
    """Of carry, inputs and constants, from the derived step."""
    backward = derive(core)
    known = dict(leaves)
    known |= zip((*backward.grad_carry, *backward.grad_exports), grads, strict=True)
    found = {}
    of_inputs = zip(core.inputs, backward.inputs, strict=True)
    for source, value in (*zip(core.carry, backward.carry, strict=True), *of_inputs):
        if value is not None:
            (found[source],) = evaluate([value], known, B)
    for index, value in backward.constants.items():
        (each,) = evaluate([value], known, B)
        found[core.constants[index]] = each.sum(0)
    for sink in backward.matrices:
        x, g = evaluate([sink.entering, sink.returning], known, B)
        matrix = core.constants[sink.constant]
        heads = len(matrix.shape) == 3
        part = (
            torch.einsum("bhk,bhn->hkn", x, g) if heads else x.flatten(0, -2).T @ g.flatten(0, -2)
        )
        found[matrix] = found.get(matrix, 0) + part
    return found


def check(core, leaves, rtol=1e-9):
    """Compare with autograd through the evaluator; return the derived gradients."""
    leaves = {leaf: tensor.detach().requires_grad_() for leaf, tensor in leaves.items()}
    results = evaluate((*core.new_carry, *core.exports), leaves, B)
    grads = [torch.randn_like(each) for each in results]
    linked = [(r, g) for r, g in zip(results, grads, strict=True) if r.requires_grad]
    expected = [torch.zeros_like(tensor) for tensor in leaves.values()]
    if linked:
        outputs, given = zip(*linked, strict=True)
        expected = torch.autograd.grad(
            outputs, list(leaves.values()), given, allow_unused=True, materialize_grads=True
        )
    plain = {leaf: tensor.detach() for leaf, tensor in leaves.items()}
    found = gradients(core, plain, grads)
    for source, tensor, want in zip(plain, plain.values(), expected, strict=True):
        got = found.get(source, torch.zeros_like(tensor))
        torch.testing.assert_close(got, want, rtol=rtol, atol=rtol)
    return found


@pytest.mark.parametrize("name", STEPS)
def test_every_operation(name):
    core, leaves = lowered(STEPS[name])
    h, x = torch.randn(2, B, 6, dtype=torch.float64)
    check(core, leaves(h, x))


@pytest.mark.parametrize("name", STEPS)
def test_the_gradient_is_that_of_the_step_itself(name):
    core, leaves = lowered(STEPS[name])
    h, x = (t.requires_grad_() for t in torch.randn(2, B, 6, dtype=torch.float64))
    (g,) = torch.randn(1, B, 6, dtype=torch.float64)
    new = STEPS[name](h, x)
    expected = torch.zeros_like(h)
    if new.requires_grad:
        (expected,) = torch.autograd.grad(new, h, g, allow_unused=True, materialize_grads=True)
    grads = [g, *(torch.zeros(B, *v.shape, dtype=g.dtype) for v in core.exports)]
    found = gradients(core, leaves(h.detach(), x.detach()), grads)
    torch.testing.assert_close(found[core.carry[0]], expected, rtol=1e-9, atol=1e-9)


def pointwise_core(build, *values):
    """A core that puts a function of its carries out, and their values."""
    carry = tuple(leaf("carry", i, (len(v),)) for i, v in enumerate(values))
    core = Core(carry, (), (), carry, (build(*carry),))
    rows = [torch.tensor(v, dtype=torch.float64).expand(B, -1) for v in values]
    return core, dict(zip(carry, rows, strict=True))


TIES = {
    "maximum": (lambda a, b: pointwise("maximum", a, b), [1, 2, 3, 0], [1, 3, 2, 0]),
    "minimum": (lambda a, b: pointwise("minimum", a, b), [1, 2, 3, 0], [1, 3, 2, 0]),
    "max": (lambda a: ir.reduce("max", a, (0,)), [2, 1, 2, 0, 2]),
    "max_of_all": (lambda a: ir.reduce("max", a, (0,)), [0, 0, 0]),
    "abs": (lambda a: pointwise("abs", a), [0, 1, -1]),
    "sign": (lambda a: pointwise("sign", a), [0, 1, -1]),
}  # fmt: skip


@pytest.mark.parametrize("name", TIES)
def test_ties_are_shared_as_in_torch(name):
    build, *values = TIES[name]
    check(*pointwise_core(build, *values))


@pytest.mark.parametrize("op", ["maximum", "minimum"])
def test_a_nan_passes_the_gradient_to_both(op):
    core, leaves = pointwise_core(lambda a, b: pointwise(op, a, b), [1.0], [float("nan")])
    grads = [torch.zeros(B, 1).double(), torch.zeros(B, 1).double(), torch.ones(B, 1).double()]
    found = gradients(core, leaves, grads)
    assert [float(found[c].sum()) for c in core.carry] == [B, B]


@pytest.mark.parametrize(
    "name", ["pointwise.clamp", "pointwise.clamp_min", "pointwise.clamp_tensors", "unary.relu"],
)  # fmt: skip
def test_at_the_bounds_of_a_clamp_and_the_kink_of_relu(name):
    bounds = [[-0.5, 0.7, 0.1, 0.0, 3.0, -3.0]] * B
    h = torch.tensor(bounds, dtype=torch.float64, requires_grad=True)
    x = torch.full_like(h, 0.5, requires_grad=False)
    core, leaves = lowered(STEPS[name])
    (expected,) = torch.autograd.grad(STEPS[name](h, x).sum(), h)
    grads = [torch.zeros(B, *v.shape).double() for v in core.exports]
    found = gradients(core, leaves(h.detach(), x), [torch.ones(B, 6).double(), *grads])
    torch.testing.assert_close(found[core.carry[0]], expected)


@pytest.mark.parametrize("power", [0, 1, 2, 3, 0.5, -1, -0.5])
def test_powers_also_of_zero_and_of_negative_numbers(power):
    values = [0.0, 1.0, 2.0] + ([-1.5, -2.0] if power == int(power) else [])
    core, leaves = pointwise_core(lambda a: pointwise("pow", a, float(power)), values)
    h = leaves[core.carry[0]].clone().requires_grad_()
    (expected,) = torch.autograd.grad((h**power).sum(), h)
    grads = [torch.zeros_like(h), torch.ones_like(h)]
    found = gradients(core, leaves, grads)[core.carry[0]]
    torch.testing.assert_close(found, expected, equal_nan=True)


def test_a_value_used_by_many_gathers_all_of_it():
    def build(a):
        shared = pointwise("tanh", a)
        return pointwise("add", pointwise("mul", shared, shared), pointwise("mul", shared, a))

    check(*pointwise_core(build, [0.3, -0.4]))


@pytest.mark.parametrize(
    "spans", [[(0, 3), (1, 4)], [(0, 6), (2, 2)], [(4, 2), (0, 2)], [(1, 1), (1, 1)], [(5, 1)]]
)
def test_pieces_that_overlap_leave_gaps_or_repeat(spans):
    def build(a):
        return ir.concat([ir.make("slice", [a], (n,), (0, start)) for start, n in spans], 0)

    check(*pointwise_core(build, [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]))


def test_pieces_along_different_axes():
    x = leaf("carry", 0, (3, 4))
    rows, columns = ir.cut(x, 0, 1, 2), ir.cut(x, 1, 0, 3)
    total = pointwise("add", ir.reduce("sum", rows, (0, 1)), ir.reduce("sum", columns, (0, 1)))
    core = Core((x,), (), (), (x,), (pointwise("mul", total, total),))
    check(core, {x: torch.randn(B, 3, 4, dtype=torch.float64)})


def test_an_input_that_nothing_reads_has_no_gradient():
    h, unused = leaf("carry", 0, (2,)), leaf("input", 0, (2,))
    flat = pointwise("floor", leaf("input", 1, (2,)))
    core = Core((h,), (unused, leaf("input", 1, (2,))), (), (pointwise("add", h, flat),), ())
    backward = derive(core)
    assert backward.inputs == (None, None)
    assert backward.carry == backward.grad_carry


def test_a_carry_that_does_not_come_back_has_gradient_zero():
    h, x = leaf("carry", 0, (2,)), leaf("input", 0, (2,))
    backward = derive(Core((h,), (x,), (), (x,), ()))
    assert ir.repeated(backward.carry[0]).attrs == 0
    assert backward.inputs == backward.grad_carry


def test_a_matrix_used_twice_has_two_sinks_and_what_gradients_read_is_saved():
    h, w = leaf("carry", 0, (2,)), leaf("const", 0, (2, 2))
    middle = pointwise("tanh", ir.matmul(h, w))
    twice = ir.matmul(middle, w)
    core = Core((h,), (), (w,), (twice,), ())
    backward = derive(core)
    assert backward.saved == (middle,)
    assert [sink.constant for sink in backward.matrices] == [0, 0]
    check(core, {h: torch.randn(B, 2).double(), w: torch.randn(2, 2).double()})


def test_a_constant_that_is_broadcast_gets_the_sum():
    h, b = leaf("carry", 0, (2, 3)), leaf("const", 0, (3,))
    core = Core((h,), (), (b,), (pointwise("mul", h, b),), ())
    check(core, {h: torch.randn(B, 2, 3).double(), b: torch.randn(3).double()})
