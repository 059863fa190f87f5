"""Chunks against single steps: outputs, states, and the gradient that was derived by hand."""

from __future__ import annotations

import pytest
import torch

from ostinato.engines.chunk.chunkwise import chunkwise, chunkwise_backward
from ostinato.engines.chunk.operands import Operands
from ostinato.engines.chunk.stepwise import stepwise

F64 = torch.float64
DECAYS = {None: 0, "shared": 1, "by key": 5}


def made(steps, updates, decay, erasing, dtype=F64):
    """Keys of length 1, β up to 2, decays from weak to strong."""
    rows = 2, steps * updates
    k = torch.nn.functional.normalize(torch.randn(*rows, 5, dtype=dtype), dim=-1)
    q, v = torch.randn(2, steps, 5, dtype=dtype), torch.randn(*rows, 4, dtype=dtype)
    g = -torch.exp(4 * torch.rand(2, steps, DECAYS[decay], dtype=dtype) - 2) if decay else None
    erase = 2 * torch.rand(*rows, 1, dtype=dtype) * k if erasing else None
    return Operands(q, k, v, g, erase)


@pytest.mark.parametrize("erasing", [False, True])
@pytest.mark.parametrize("decay", DECAYS)
@pytest.mark.parametrize(("steps", "updates"), [(1, 1), (16, 1), (33, 1), (21, 2), (19, 3)])
def test_it_equals_single_steps(steps, updates, decay, erasing):
    operands = made(steps, updates, decay, erasing).map(torch.Tensor.requires_grad_)
    state = torch.randn(2, 5, 4, dtype=F64, requires_grad=True)
    o, last = stepwise(operands, state)
    grads = torch.randn_like(o), torch.randn_like(last)
    wanted = [x for x in operands if x is not None]
    expected = torch.autograd.grad((o, last), [*wanted, state], grads)
    with torch.no_grad():
        found_o, found_last, starts, written = chunkwise(operands, state, 16)
        found, first = chunkwise_backward(operands, starts, written, found_last, *grads, 16)
    torch.testing.assert_close(found_o, o, atol=1e-12, rtol=1e-12)
    torch.testing.assert_close(found_last, last, atol=1e-12, rtol=1e-12)
    for a, b in zip([*(x for x in found if x is not None), first], expected, strict=True):
        torch.testing.assert_close(a, b, atol=1e-11, rtol=1e-11)


@pytest.mark.parametrize("decay", DECAYS)
def test_the_size_of_chunks_changes_nothing(decay):
    operands, state = made(100, 1, decay, True), torch.zeros(2, 5, 4, dtype=F64)
    expected = chunkwise(operands, state, 64)[0]
    for size in (1, 4, 128):
        torch.testing.assert_close(chunkwise(operands, state, size)[0], expected)


@pytest.mark.parametrize("decay", DECAYS)
def test_float32_stays_near_float64(decay):
    operands, state = made(2000, 1, decay, True), torch.zeros(2, 5, 4, dtype=F64)
    expected = chunkwise(operands, state, 64)[0]
    found = chunkwise(operands.map(torch.Tensor.float), state.float(), 64)[0]
    error = (found - expected).abs().amax((0, 2)) / expected.abs().max()
    assert error.max() < 1e-5


@pytest.mark.parametrize("axes", [1, 5])
def test_decays_of_exactly_one_and_nearly_zero(axes):
    operands = made(40, 1, "by key", True)
    g = torch.zeros(2, 40, axes, dtype=F64)
    g[:, 7], g[:, 20] = -80.0, -torch.inf
    state = torch.randn(2, 5, 4, dtype=F64)
    found = chunkwise(operands._replace(g=g), state, 16)
    torch.testing.assert_close(found[:2], stepwise(operands._replace(g=g), state))
    grads = [torch.ones_like(each) for each in found[:2]]
    back, first = chunkwise_backward(
        operands._replace(g=g), found[2], found[3], found[1], *grads, 16
    )
    assert all(x.isfinite().all() for x in (*back, first))
