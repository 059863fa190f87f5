"""Run a step on the generated kernel and on the reference, with all gradients."""

from __future__ import annotations

import pytest
import torch

import ostinato as ost
from ostinato.engines.fused.toolchain import find_compiler

needs_compiler = pytest.mark.skipif(find_compiler() is None, reason="no C++ compiler")


def both(step, init, x, parameters=(), **options):
    """Check outputs, last state and gradients of `scan` against the reference engine."""
    found = outcome(step, init, x, parameters, "fused", options)
    expected = outcome(step, init, x, parameters, "reference", options)
    tolerance = 1e-10 if x.dtype is torch.float64 else 2e-5
    for got, want in zip(found, expected, strict=True):
        torch.testing.assert_close(got, want, rtol=tolerance, atol=tolerance)


def outcome(step, init, x, parameters, engine, options):
    """Last state, outputs, and the gradients of state, inputs and parameters."""
    single = isinstance(init, torch.Tensor)
    state = [leaf.detach().requires_grad_() for leaf in ((init,) if single else init)]
    x = x.detach().requires_grad_()
    given = state[0] if single else tuple(state)
    last, ys = ost.scan(step, given, x, engine=engine, **options)
    results = [*((last,) if single else last), ys]
    generator = torch.Generator().manual_seed(3)
    weights = [torch.randn(r.shape, generator=generator, dtype=r.dtype) for r in results]
    loss = torch.stack([(r * w).sum() for r, w in zip(results, weights, strict=True)]).sum()
    wanted = [*state, x, *parameters]
    grads = torch.autograd.grad(loss, wanted, allow_unused=True, materialize_grads=True)
    return [*results, *grads]
