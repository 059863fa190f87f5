"""Kernels for a device against single steps, by Triton's interpreter."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import normalize

import ostinato as ost
from ostinato.engines.chunk.steps import Steps
from ostinato.engines.chunk.stepwise import stepwise

pytest.importorskip("triton")

from ostinato.engines.chunk import device, kernel

pytestmark = pytest.mark.skipif(torch.cuda.is_available(), reason="kernels run on the device")
slow = pytest.mark.slow


def made(count, n, keys, values, gate, erasing, beta, heads=1):
    rows = 1, count * n, heads
    k, other = (normalize(torch.randn(*rows, keys), dim=-1) for _ in "ab")
    gates = {"head": 1, "key": keys}
    g = gate and -torch.exp(3 * torch.rand(1, count, heads, gates[gate]) - 2)
    return Steps(
        torch.randn(1, count, heads, keys),
        k,
        torch.randn(*rows, values),
        g,
        {"k": k, "other": other, None: None}[erasing],
        2 * torch.rand(rows) if beta else None,
    )


def check(steps, tolerance=1e-4):
    shape = 1, steps.q.shape[2], steps.q.shape[-1], steps.v.shape[-1]
    state = torch.randn(shape, requires_grad=True)
    steps = steps.map(lambda x: x.clone().requires_grad_())
    o, last = stepwise(steps.by_heads(0.3), state.flatten(0, 1))
    o, last = o[None].transpose(1, 2), last.view_as(state)
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
        torch.testing.assert_close(a, b, atol=tolerance * scale, rtol=0)


@pytest.mark.parametrize(
    ("count", "updates", "gate", "erasing", "beta"),
    [
        (1, 1, None, None, False),
        (37, 1, "head", "k", True),
        (23, 2, "key", "other", True),
        pytest.param(40, 1, None, "k", False, marks=slow),
        pytest.param(33, 1, "head", None, False, marks=slow),
        pytest.param(23, 3, "head", "other", True, marks=slow),
        pytest.param(37, 1, "key", None, False, marks=slow),
        pytest.param(70, 1, "key", "k", True, marks=slow),
    ],
)
def test_it_equals_single_steps(count, updates, gate, erasing, beta):
    check(made(count, updates, 5, 20, gate, erasing, beta, heads=2))


def test_without_a_gradient_few_states_are_held(monkeypatch):
    steps = made(40, 2, 5, 4, "key", "k", True)
    state, held, made_by = torch.randn(1, 1, 5, 4), [], device._run
    expected = device.forward(steps, state, 0.3, True)

    def run(*about):
        held.append(made_by(*about))
        return held[-1]

    monkeypatch.setattr(device, "_run", run)
    monkeypatch.setattr(device, "_WINDOW", 2 * state.nbytes)
    o, last, kept = device.forward(steps, state, 0.3, False)
    assert kept is None
    assert [each.starts.shape[2] for each in held] == [2, 1]
    # Chunks that end with a window's are those of the whole sequence.
    torch.testing.assert_close((o, last), expected[:2], atol=1e-6, rtol=1e-6)


@slow
@pytest.mark.parametrize("gate", ["head", "key"])
@pytest.mark.parametrize(("keys", "values"), [(64, 64), (100, 36), (256, 130)])
def test_large_matrices_in_parts(keys, values, gate):
    check(made(34, 1, keys, values, gate, "k", True))


@slow
@pytest.mark.parametrize("gate", ["head", "key"])
def test_strong_decay_and_none(gate):
    steps = made(40, 1, 5, 4, gate, "k", True)
    with torch.no_grad():
        steps.g[:, ::3] *= 1000
        steps.g[:, 1::7] = 0
    check(steps)


def test_sequences_end_to_end(monkeypatch):
    steps = made(24, 1, 5, 4, "key", None, False)
    given = [x.requires_grad_() for x in (steps.q, steps.k, steps.v, steps.g)]
    state = torch.randn(2, 1, 5, 4, requires_grad=True)

    def outcome():
        o, last = ost.matrix_scan(
            *given,
            initial_state=state,
            output_final_state=True,
            cu_seqlens=torch.tensor([0, 3, 24]),
        )
        return o, last, *torch.autograd.grad(o.sin().sum() + last.sum(), [*given, state])

    expected = outcome()

    def forward(steps, state, scale, size, keep):
        return device.forward(steps, state, scale, keep)

    def backward(steps, kept, grad_o, grad_last, scale, size):
        return device.backward(steps, kept, grad_o, grad_last, scale)

    monkeypatch.setattr(kernel, "compiled", lambda steps: True)
    monkeypatch.setattr(kernel, "forward", forward)
    monkeypatch.setattr(kernel, "backward", backward)
    for a, b in zip(outcome(), expected, strict=True):
        torch.testing.assert_close(a, b, atol=1e-4, rtol=0)


def test_what_it_takes():
    assert not device.compiled(made(3, 1, 5, 4, None, None, False))
