"""The loop as an operation of torch, checked by torch's own tools and against the step."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import torch

from ostinato.core.errors import EngineError
from ostinato.engines.fused.kernel import Kernel
from ostinato.engines.fused.operator import fused_loop, loop, register

from .kernels import needs_compiler
from .steps import W, lowered

pytestmark = needs_compiler
DOUBLE = torch.float64


def gated(h, x):
    return torch.sigmoid(h @ W) * h + torch.tanh(x)


def decayed(h, x):
    return h * 0.5 + x


def kernel(step, dtype=DOUBLE):
    return Kernel(lowered(step)[0], dtype)


def tensors(core, steps=4, rows=3):
    """Random tensors for a core: carry, inputs and constants."""
    shapes = [(rows, *value.shape) for value in core.carry]
    shapes += [(steps, rows, *value.shape) for value in core.inputs]
    shapes += [value.shape for value in core.constants]
    return [torch.randn(shape, dtype=DOUBLE, requires_grad=True) for shape in shapes]


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("step", [gated, decayed])
def test_schema_shapes_and_gradient(step, reverse):
    made = kernel(step)
    given = tensors(made.core)
    arguments = (register(made), 4, 3, reverse, [True] * len(given), given)
    torch.library.opcheck(fused_loop, arguments)


@pytest.mark.parametrize("reverse", [False, True])
def test_the_operation_repeats_the_step(reverse):
    made = kernel(decayed)
    h, x, *constants = tensors(made.core)
    last, outputs = loop(made, 4, 3, reverse, [h, x, *constants])
    expected, carry = [], h
    for u in x.flip(0) if reverse else x:
        carry = decayed(carry, u)
        expected.append(carry)
    stacked = torch.stack(expected[::-1] if reverse else expected)
    torch.testing.assert_close(outputs, stacked)
    torch.testing.assert_close(last, carry)
    weight = torch.randn_like(stacked)
    found, wanted = (
        torch.autograd.grad((y * weight).sum() + (c * c).sum(), [h, x], retain_graph=True)
        for y, c in ((outputs, last), (stacked, carry))
    )
    torch.testing.assert_close(found, wanted)


def test_an_unused_result_has_the_gradient_zero():
    made = kernel(decayed)
    given = tensors(made.core)
    loop(made, 4, 3, False, given)[0].sum().backward()
    torch.testing.assert_close(given[0].grad, torch.full_like(given[0], 0.5**4))


NAME = """
import torch
from tests.engines.fused.test_operator import gated, kernel, register
print(register(kernel(gated)))
"""


def test_a_kernel_has_one_name_in_every_process():
    name = register(kernel(gated))
    assert name == register(kernel(gated))
    assert name not in (register(kernel(decayed)), register(kernel(gated, torch.float32)))
    command = [sys.executable, "-c", NAME]
    other = subprocess.run(command, capture_output=True, text=True, env=os.environ, check=True)
    assert other.stdout.split()[-1] == name


def test_a_name_without_a_kernel_is_an_error():
    with pytest.raises(EngineError, match="not generated"):
        fused_loop("no such kernel", 1, 1, False, [False], [torch.zeros(1, 1)])
