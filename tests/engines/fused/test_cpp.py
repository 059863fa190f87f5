"""The text of a translation unit: its ports, its numbers, and what it leaves out."""

from __future__ import annotations

import math
import re

import pytest
import torch

import ostinato as ost
from ostinato.engines.fused import ir
from ostinato.engines.fused.cpp import source
from ostinato.engines.fused.ir import leaf, number, pointwise
from ostinato.engines.fused.program import Program

from .kernels import both, needs_compiler
from .steps import STEPS

H, X, W = leaf("carry", 0, (5,)), leaf("input", 0, (5,)), leaf("const", 0, (5, 5))


def program(name="forward", **fields):
    new = pointwise("tanh", pointwise("add", ir.matmul(H, W), X))
    given = {"carried": {H: new}, "results": {"y": new}, "read": {"x": X}} | fields
    return Program(name=name, constants={"w": W}, **given)


def test_every_port_is_named_once_and_in_order():
    text, (writer,) = source([program()], "float")
    assert writer.ports == ["y", "x", "w", "first_0", "last_0", "packed_n0"]
    assert text.count('extern "C" void forward') == 1
    assert "typedef float real" in text


def text_of(seed, held):
    """A unit made after `held` other values, among them a part of its own."""
    leaf_a, leaf_b = leaf("input", seed, (3,)), leaf("input", seed + 1, (3,))
    held.append(pointwise("exp", leaf_b))
    new = pointwise("add", pointwise("tanh", leaf_a), pointwise("exp", leaf_b))
    read = {"a": leaf_a, "b": leaf_b}
    return source([Program(name="forward", results={"y": new}, read=read)], "double")[0]


def test_the_order_of_computation_depends_on_the_step_alone():
    held = []
    first, again = text_of(500, []), text_of(600, held)
    assert anonymous(first) == anonymous(again)


def anonymous(text):
    return re.sub(r"\bv\d+", "v", text)


def test_nothing_of_the_process_enters_the_text():
    """The cache is keyed by the text: it must be the same in the next process."""
    assert text_of(700, []) == text_of(800, [])


@needs_compiler
@pytest.mark.parametrize(
    "value", [math.pi, -0.1, 1e-320, 1e300, float("inf"), float("-inf"), float("nan"), 7]
)
def test_numbers_arrive_exactly(value):
    text, _ = source([program(results={"y": pointwise("mul", H, number(value))})], "double")
    literal = next(line for line in text.splitlines() if "splat(real(" in line)
    inside = literal.split("splat(real(")[1].split("))")[0]
    named = {"NAN": math.nan, "INFINITY": math.inf, "-INFINITY": -math.inf}
    found = named.get(inside) if inside in named else float(inside)
    assert found == value or (math.isnan(value) and math.isnan(found))


GROUPS = {
    "structure": ("fill", "product", "folded"),
    "reduction": ("reduction",),
    "rearrangement": ("rearrangement",),
}


@needs_compiler
@pytest.mark.parametrize("group", GROUPS)
def test_steps_side_by_side_in_one_kernel(group, quick_compile):
    names = [name for name in STEPS if name.split(".")[0] in GROUPS[group]]
    both(
        joint(tuple(names)),
        [torch.randn(5, 6, dtype=torch.float64) for _ in names],
        torch.randn(3, 5, 6, dtype=torch.float64),
    )


def joint(names):
    """Many steps, each with a leaf of the state."""

    def step(h, x):
        new = tuple(0.5 * torch.tanh(STEPS[n](each, x)) for n, each in zip(names, h, strict=True))
        return new, new[0] + x

    return step


@needs_compiler
def test_a_step_that_only_passes_its_input_on():
    x = torch.randn(4, 3, 5)
    last, ys = ost.scan(lambda h, x: (x, h), x[0], x, engine="fused")
    assert torch.equal(last, x[-1])
    assert torch.equal(ys[1:], x[:-1])
