"""Compiled code against single steps, where the other forms are held to them too."""

from __future__ import annotations

import pytest
import torch

from ostinato.engines.chunk import kernel
from ostinato.engines.chunk.steps import Steps
from ostinato.engines.chunk.stepwise import stepwise
from ostinato.engines.fused.toolchain import find_compiler

pytestmark = pytest.mark.skipif(find_compiler() is None, reason="no C++ compiler")

F64 = torch.float64
TOLERANCE = {F64: 1e-11, torch.float32: 1e-4}


def made(count, updates, keys, values, dtype, gated=True, erasing="k", beta=True):
    rows, decays = (2, count * updates, 3), {True: 1, "by key": keys, False: 0}[gated]
    k = torch.nn.functional.normalize(torch.randn(*rows, keys, dtype=dtype), dim=-1)
    other = torch.nn.functional.normalize(torch.randn(*rows, keys, dtype=dtype), dim=-1)
    return Steps(
        torch.randn(2, count, 3, keys, dtype=dtype),
        k,
        torch.randn(*rows, values, dtype=dtype),
        -torch.exp(3 * torch.rand(2, count, 3, decays, dtype=dtype) - 2) if decays else None,
        {"k": k, "other": other, None: None}[erasing],
        2 * torch.rand(rows, dtype=dtype) if beta else None,
    )


def check(steps, size):
    dtype, (keys, values) = steps.q.dtype, (steps.q.shape[-1], steps.v.shape[-1])
    state = torch.randn(2, 3, keys, values, dtype=dtype, requires_grad=True)
    steps = steps.map(lambda x: x.clone().requires_grad_())
    o, last = stepwise(steps.by_heads(0.3), state.flatten(0, 1))
    o, last = o.unflatten(0, (2, 3)).transpose(1, 2), last.view_as(state)
    grads = torch.randn_like(o), torch.randn_like(last)
    own = steps._replace(erase=None) if steps.erase is steps.k else steps
    wanted = [x for x in own if x is not None]
    expected = [o, last, *torch.autograd.grad((o, last), [*wanted, state], grads)]
    with torch.no_grad():
        found_o, found_last, kept = kernel.forward(steps, state, 0.3, size, True)
        back, first = kernel.backward(steps, kept, *grads, 0.3, size)
    found = [found_o, found_last, *(x for x in back if x is not None), first]
    for a, b in zip(found, expected, strict=True):
        scale = float(b.detach().abs().max())
        torch.testing.assert_close(a, b, atol=TOLERANCE[dtype] * max(1, scale), rtol=0)


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("updates", [1, 3])
@pytest.mark.parametrize("erasing", ["k", "other", None])
@pytest.mark.parametrize("gated", [True, "by key", False])
def test_it_equals_single_steps(updates, erasing, gated, dtype):
    check(made(37, updates, 5, 20, dtype, gated, erasing), 16)


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize(
    ("count", "keys", "values", "size"),
    [(1, 1, 1, 1), (64, 16, 64, 64), (33, 70, 17, 32), (19, 130, 257, 16)],
)
@pytest.mark.parametrize("gated", [True, "by key"])
def test_sizes(count, keys, values, size, gated, dtype):
    check(made(count, 1, keys, values, dtype, gated, beta=False), size)


def test_rows_that_lie_apart():
    steps = made(19, 2, 6, 5, F64)
    check(steps.map(lambda x: x.transpose(1, 2).contiguous().transpose(1, 2)), 16)
    check(steps._replace(v=steps.v.mT.contiguous().mT), 16)


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("gated", [True, "by key"])
def test_strong_decays(gated, dtype):
    # Two rows a step, so that chunks of 32 have several blocks of rows whatever a register holds.
    steps = made(40, 2, 4, 3, dtype, gated)
    steps.g[:, 7], steps.g[:, 20, ..., :1], steps.g[:, 25:] = -80.0, -torch.inf, 0.0
    check(steps, 32)


def test_threads_share_the_heads():
    steps, state = made(50, 1, 8, 8, F64), torch.zeros(2, 3, 8, 8, dtype=F64)
    alone = kernel.forward(steps, state, 1.0, 16, False)
    torch.set_num_threads(2)
    together = kernel.forward(steps, state, 1.0, 16, False)
    assert together[0].equal(alone[0])


def test_it_takes_the_precisions_it_has():
    steps = made(3, 1, 4, 3, F64)
    assert kernel.compiled(steps)
    assert not kernel.compiled(steps.map(torch.Tensor.bfloat16))
