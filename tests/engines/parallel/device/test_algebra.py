"""Text of products, run on numbers."""

from __future__ import annotations

import pytest
import torch

from ostinato.engines.parallel.device.algebra import Algebra


def spread(algebra, name, tensor):
    """The blocks of a vector or a matrix."""
    parts = torch.view_as_real(tensor).flatten() if algebra.complex else tensor.flatten()
    names = algebra.blocks(name, tensor.dim())
    return dict(zip(names, parts.tolist(), strict=True))


def gathered(algebra, name, axes, given):
    parts = torch.tensor(
        [given[block] for block in algebra.blocks(name, axes)], dtype=torch.float64
    )
    shape = (algebra.size,) * axes
    if algebra.complex:
        return torch.view_as_complex(parts.reshape(*shape, 2))
    return parts.reshape(shape)


@pytest.mark.parametrize("size", [1, 2, 3])
@pytest.mark.parametrize("dtype", [torch.float64, torch.complex128])
def test_products(size, dtype):
    algebra = Algebra(size, dtype.is_complex)
    a, p = torch.randn(2, size, size, dtype=dtype)
    x, b = torch.randn(2, size, dtype=dtype)
    values = {"a": a, "p": p, "x": x, "b": b}
    given = {k: v for name, each in values.items() for k, v in spread(algebra, name, each).items()}
    lines = [
        *algebra.apply("y", "a", "x", "b"),
        *algebra.compose("q", "a", "p"),
        *algebra.outer("o", "x", "b"),
        *algebra.identity("one", "0.0"),
        *algebra.copied("z", "y", 1),
    ]
    exec("\n".join(lines), {}, given)
    expected = {"y": a @ x + b, "q": a @ p, "o": torch.outer(x, b.conj()), "z": a @ x + b}
    expected["one"] = torch.eye(size, dtype=dtype)
    for name, value in expected.items():
        torch.testing.assert_close(gathered(algebra, name, value.dim(), given), value)


def test_what_is_selected():
    lines = Algebra(2).where("mask", "y", 1, "{} + {}", "x", "b")
    assert lines == [
        "y_0 = tl.where(mask, x_0 + b_0, y_0)",
        "y_1 = tl.where(mask, x_1 + b_1, y_1)",
    ]
