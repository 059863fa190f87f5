from __future__ import annotations

import pytest
import torch

from ostinato.engines.fused import products


@pytest.fixture(autouse=True)
def always(monkeypatch):
    """Also small products go through the kernel."""
    monkeypatch.setattr(products, "_WORTHWHILE", 0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("rows", [1, 5, 6, 7, 11, 13, 97, 200])
@pytest.mark.parametrize(("k", "n"), [(1, 1), (3, 17), (16, 64), (65, 130)])
def test_products_and_gradients_equal_torchs(dtype, rows, k, n):
    x = torch.randn(rows, k, dtype=dtype, requires_grad=True)
    w = torch.randn(n, k, dtype=dtype, requires_grad=True)
    b = torch.randn(n, dtype=dtype, requires_grad=True)
    results = []
    for with_bias, plain in ((products.addmm, torch.addmm), (None, None)):
        if with_bias is None:
            ours, theirs = products.mm(x, w.T), x @ w.T
        else:
            ours, theirs = with_bias(b, x, w.T), plain(b, x, w.T)
        for y in (ours, theirs):
            gradients = torch.autograd.grad(y.square().sum(), [x, w, b], allow_unused=True)
            results.append((y, *(g for g in gradients if g is not None)))
    for ours, theirs in zip(results[::2], results[1::2], strict=True):
        for a, c in zip(ours, theirs, strict=True):
            bound = (1e-12 if dtype == torch.float64 else 1e-4) * (1 + c.abs().max())
            assert (a - c).abs().max() <= bound


def test_second_derivatives():
    x, w = (torch.randn(4, 3, dtype=torch.float64, requires_grad=True) for _ in range(2))
    assert torch.autograd.gradgradcheck(lambda x, w: products.mm(x, w.T), (x, w))


def test_rows_that_do_not_follow_one_another():
    x = torch.randn(3, 40).T
    w = torch.randn(3, 5)
    assert torch.allclose(products.mm(x, w), x @ w, atol=1e-5)
