from __future__ import annotations

import itertools

import pytest
import torch

import ostinato as ost
from ostinato.core.errors import CellError, ShapeError

from .loop import assert_near, loop, random

LENGTHS = [0, 1, 2, 3, 7, 64, 129]


def fold(op, x, reverse=False):
    """Step after step."""
    steps = list(x.unbind())[:: -1 if reverse else 1]
    found = list(itertools.accumulate(steps, op))[:: -1 if reverse else 1]
    return torch.stack(found) if found else x


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("steps", LENGTHS)
def test_products_of_matrices_keep_their_order(steps, reverse):
    x = torch.randn(steps, 2, 3, 3, dtype=torch.float64)
    expected = fold(torch.matmul, x, reverse)
    assert_near([ost.associative_scan(torch.matmul, x, reverse=reverse)], [expected])


@pytest.mark.parametrize("dim", [0, 1, 2, -1, -2])
@pytest.mark.parametrize("reverse", [False, True])
def test_any_axis(dim, reverse):
    x = torch.randn(4, 5, 6, dtype=torch.float64)
    expected = x.flip(dim).cumsum(dim).flip(dim) if reverse else x.cumsum(dim)
    assert_near([ost.associative_scan(torch.add, x, dim, reverse)], [expected])


@pytest.mark.parametrize("steps", LENGTHS)
def test_a_tree_the_affine_monoid_is_the_affine_scan(steps):
    a, b, _ = random("block", steps)

    def op(earlier, later):
        (a1, b1), (a2, b2) = earlier.values(), later.values()
        return {"a": a2 @ a1, "b": (a2 @ b1[..., None])[..., 0] + b2}

    found = ost.associative_scan(op, {"a": a, "b": b})
    assert_near([found["b"]], [loop(a, b, kind="block")])
    assert_near([found["b"]], [ost.affine_scan(a, b, kind="block")])


def test_other_monoids():
    x = torch.randn(33, 2, dtype=torch.float64)
    assert_near([ost.associative_scan(torch.maximum, x)], [x.cummax(0).values])
    assert_near([ost.associative_scan(torch.logaddexp, x)], [x.logcumsumexp(0)])


@pytest.mark.parametrize("steps", [1, 2, 5])
def test_gradients_of_first_and_second_order(steps):
    x = torch.rand(steps, 2, dtype=torch.float64, requires_grad=True)

    def scan(x):
        return ost.associative_scan(torch.mul, (x, 1 + x), reverse=True)

    def multiply(one, other):
        return one[0] * other[0], one[1] + other[1]

    def both(x):
        return ost.associative_scan(multiply, (x, x.square()), reverse=True)

    assert torch.autograd.gradcheck(both, x)
    assert torch.autograd.gradgradcheck(both, x)


def test_the_work_is_linear_and_the_depth_logarithmic():
    calls = []

    def add(one, other):
        calls.append(len(one))
        return one + other

    ost.associative_scan(add, torch.ones(1024))
    assert len(calls) <= 2 * 10
    assert sum(calls) <= 2 * 1024


def test_none_in_a_tree_and_torch_func():
    x = torch.randn(5, 3)
    found = ost.associative_scan(lambda a, b: (a[0] + b[0], None), (x, None))
    assert found[1] is None
    each = torch.func.vmap(lambda x: ost.associative_scan(torch.add, x))
    assert_near([each(x)], [x.cumsum(1)], 1e-6)


def test_errors_say_what_is_needed():
    x = torch.ones(4, 3)
    with pytest.raises(CellError, match="op must be callable"):
        ost.associative_scan(x, torch.add)
    with pytest.raises(ShapeError, match="common number of steps along axis 0"):
        ost.associative_scan(lambda a, b: a, (x, x[:3]))
    with pytest.raises(ShapeError, match="What op returns is"):
        ost.associative_scan(lambda a, b: (a, b), x)
    with pytest.raises(ShapeError, match=r"float32\[2, 1\], expected float32\[2, 3\]"):
        ost.associative_scan(lambda a, b: a[:, :1], x)
    with pytest.raises(ShapeError, match="All inputs must be tensors; got int"):
        ost.associative_scan(torch.add, [1, 2])
