"""The functions that generated kernels call, against torch."""

from __future__ import annotations

import pytest
import torch

triton = pytest.importorskip("triton")

from ostinato.engines.fused import ir  # noqa: E402
from ostinato.engines.fused.device.kernel import DeviceKernel  # noqa: E402
from ostinato.engines.fused.lower import Core  # noqa: E402

from ..evaluator import evaluate  # noqa: E402

NUMBERS = torch.tensor(
    [0.0, -0.0, 0.3, -1.7, 1e-9, 40.0, -40.0, 1e4, float("inf"), float("-inf"), float("nan")],
    dtype=torch.float64,
)
X, Y = ir.leaf("input", 0, NUMBERS.shape), ir.leaf("input", 1, NUMBERS.shape)


def computed(value, x, y):
    """One step of a kernel that puts out a value of the inputs X and Y."""
    state = ir.leaf("carry", 0, (1,))
    core = Core((state,), (X, Y), (), (state,), (ir.expand(value, value.shape),))
    kernel = DeviceKernel(core, x.dtype, "cpu")
    out = torch.empty(1, len(x), *value.shape, dtype=x.dtype)
    first = torch.zeros(len(x), 1, dtype=x.dtype)
    ports = {"input_0": x[None], "input_1": y[None], "export_0": out}
    given = {name: kernel.sequence(each, False) for name, each in ports.items()}
    given |= {"first_0": kernel.row(first), "last_0": kernel.row(first)}
    kernel.run("forward", given, {}, 1, len(x))
    return out[0]


@pytest.mark.parametrize("op", sorted(ir.UNARY))
def test_of_one_number(op):
    value, x = ir.pointwise(op, X), NUMBERS[None]
    (expected,) = evaluate([value], {X: x}, 1)
    torch.testing.assert_close(computed(value, x, x), expected, equal_nan=True)


@pytest.mark.parametrize("op", sorted(ir.BINARY - {"pow"}))
def test_of_two_numbers(op):
    pairs = torch.cartesian_prod(NUMBERS, NUMBERS).T.reshape(2, len(NUMBERS), -1).contiguous()
    x, y = pairs
    value = ir.pointwise(op, X, Y)
    (expected,) = evaluate([value], {X: x, Y: y}, len(x))
    torch.testing.assert_close(computed(value, x, y), expected, equal_nan=True)


@pytest.mark.parametrize("exponent", [-1.0, 0.5, 2.0, 3.0, 2.5])
def test_powers(exponent):
    # Of −∞ the square root is NaN, and the power of one half is ∞: torch gives either.
    value, x = ir.pointwise("pow", X, exponent), NUMBERS.nan_to_num(neginf=-2.0)[None]
    (expected,) = evaluate([value], {X: x}, 1)
    torch.testing.assert_close(computed(value, x, x), expected, equal_nan=True)


@pytest.mark.parametrize("op", ["sum", "max"])
def test_reductions_keep_nan(op):
    value = ir.reduce(op, X, [0])
    for x in (NUMBERS[None], NUMBERS[None, :8].repeat(1, 2)[:, :11]):
        (expected,) = evaluate([value], {X: x}, 1)
        torch.testing.assert_close(computed(value, x, x), expected, equal_nan=True)
