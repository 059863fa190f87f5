from __future__ import annotations

import pytest
import torch
from torch.autograd import gradcheck, gradgradcheck

from ostinato import affine_scan
from ostinato.engines.parallel import sequential

from .loop import SHAPES, assert_near, masks, random, values_and_gradients


@pytest.mark.parametrize("path", ["compiled", "log-depth"])
@pytest.mark.parametrize("which", ["none", "both"])
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("dtype", [torch.float64, torch.complex128])
@pytest.mark.parametrize("kind", SHAPES)
def test_first_and_second_derivatives(kind, dtype, reverse, which, path, monkeypatch):
    if path == "log-depth":
        monkeypatch.setattr(sequential, "compiled", lambda b: False)
    steps = 3
    tensors = [x.requires_grad_() for x in random(kind, steps, 2, dtype)]
    options = {"kind": kind, "reverse": reverse, **masks(which, steps, 2)}

    def scan(a, b, init):
        return affine_scan(a, b, init, **options)

    assert gradcheck(scan, tensors, fast_mode=True)
    assert gradgradcheck(scan, tensors, fast_mode=True)


@pytest.mark.parametrize("shape", [(1, 2, 5), (3, 1, 1), (5,)])
def test_second_derivatives_of_an_a_that_is_broadcast(shape):
    _, b, init = random("diagonal", 3, 2)
    a = torch.rand(shape, dtype=torch.float64)
    tensors = [x.requires_grad_() for x in (a, b, init)]
    assert gradgradcheck(lambda *x: affine_scan(*x, kind="diagonal"), tensors)


def test_one_step():
    for kind in SHAPES:
        tensors = [x.requires_grad_() for x in random(kind, 1, 2)]
        assert gradcheck(lambda *x, kind=kind: affine_scan(*x, kind=kind), tensors)
        assert gradgradcheck(lambda *x, kind=kind: affine_scan(*x, kind=kind), tensors)


@pytest.mark.parametrize("kind", SHAPES)
def test_only_the_gradients_that_are_wanted(kind):
    tensors = random(kind, 5)
    _, *expected = values_and_gradients(affine_scan, tensors, kind=kind)
    for i, _ in enumerate(tensors):
        leaves = [x.clone().requires_grad_(i == j) for j, x in enumerate(tensors)]
        h = affine_scan(*leaves, kind=kind)
        weights = torch.randn(h.shape, generator=torch.Generator().manual_seed(0), dtype=h.dtype)
        ((h * weights).square().sum()).backward()
        assert_near([leaves[i].grad], [expected[i]])
        assert sum(x.grad is not None for x in leaves) == 1
