"""Kernels for a device against single steps, by Triton's interpreter."""

from __future__ import annotations

import pytest
import torch

from ostinato.engines.chunk.stepwise import stepwise

from .test_kernel import made

pytest.importorskip("triton")

from ostinato.engines.chunk import device

pytestmark = pytest.mark.skipif(torch.cuda.is_available(), reason="kernels run on the device")


@pytest.mark.parametrize(
    ("count", "updates", "gated", "erasing", "beta"),
    [
        (1, 1, False, None, False),
        (37, 1, True, "k", True),
        (33, 1, True, None, False),
        (23, 3, True, "other", True),
        (40, 1, False, "k", False),
    ],
)
def test_it_equals_single_steps(count, updates, gated, erasing, beta):
    steps = made(count, updates, 5, 20, torch.float32, gated, erasing, beta)
    state = torch.randn(2, 3, 5, 20, requires_grad=True)
    steps = steps.map(lambda x: x.clone().requires_grad_())
    o, last = stepwise(steps.by_heads(0.3), state.flatten(0, 1))
    o, last = o.unflatten(0, (2, 3)).transpose(1, 2), last.view_as(state)
    grads = torch.randn_like(o), torch.randn_like(last)
    own = steps._replace(erase=None) if steps.erase is steps.k else steps
    wanted = [x for x in own if x is not None]
    expected = [o, last, *torch.autograd.grad((o, last), [*wanted, state], grads)]
    with torch.no_grad():
        found_o, found_last, kept = device.forward(steps, state, 0.3, True)
        back, first = device.backward(steps, kept, *grads, 0.3)
    found = [found_o, found_last, *(x for x in back if x is not None), first]
    for a, b in zip(found, expected, strict=True):
        scale = max(1, float(b.detach().abs().max()))
        torch.testing.assert_close(a, b, atol=1e-4 * scale, rtol=0)


def test_what_it_takes():
    assert not device.compiled(made(3, 1, 5, 4, torch.float32))
