"""Discretisations: known closed forms, orders, and stability."""

from __future__ import annotations

import pytest
import torch

from ostinato.cells.discretise import discretise
from ostinato.cells.hippo import hippo
from ostinato.core.errors import ArgumentError

F64 = torch.float64
METHODS = ["euler", "bilinear", "backward_euler", "zoh", 0.3]


@pytest.mark.parametrize(
    ("method", "held", "hold"),
    [
        ("euler", 0.4, 0.6),
        ("bilinear", 0.7 / 1.3, 0.6 / 1.3),
        ("backward_euler", 1 / 1.6, 0.6 / 1.6),
        ("zoh", 0.5488116360940264, 0.4511883639059736),
    ],
)
def test_a_leak_by_hand(method, held, hold):
    a, b = torch.tensor([[-1.0]], dtype=F64), torch.ones(1, dtype=F64)
    found = discretise(a, b, torch.tensor([0.6], dtype=F64), method)
    assert float(found[0]) == pytest.approx(held, rel=1e-14)
    assert float(found[1]) == pytest.approx(hold, rel=1e-14)


def test_backward_euler_of_a_leak_is_a_sigmoid_gate():
    """x_t = (1 − σ(z)) x_{t−1} + σ(z) u_t for δ = e^z."""
    z = torch.linspace(-9, 9, 25, dtype=F64)
    a, b = torch.tensor([[-1.0]], dtype=F64), torch.ones(1, dtype=F64)
    held, hold = discretise(a, b, z.exp(), "backward_euler")
    torch.testing.assert_close(hold[:, 0], z.sigmoid(), atol=1e-12, rtol=0)
    torch.testing.assert_close(held[:, 0, 0], 1 - z.sigmoid(), atol=1e-12, rtol=0)


@pytest.mark.parametrize(
    ("method", "order"), [("euler", 2), ("bilinear", 3), ("backward_euler", 2)]
)
def test_one_step_is_right_to_its_order(method, order):
    a, b = hippo("legs", 3)
    errors = []
    for step in (2e-3, 1e-3):
        delta = torch.tensor([step], dtype=F64)
        pairs = zip(discretise(a, b, delta, method), discretise(a, b, delta, "zoh"), strict=True)
        errors.append(max(float((x - y).abs().max()) for x, y in pairs))
    assert errors[0] / errors[1] == pytest.approx(2**order, rel=0.05)


def test_the_hold_needs_no_inverse_of_a():
    a = torch.tensor([[0.0, 1.0], [0.0, 0.0]], dtype=F64)
    b = torch.tensor([0.0, 1.0], dtype=F64)
    held, hold = discretise(a, b, torch.tensor([0.5], dtype=F64), "zoh")
    torch.testing.assert_close(held[0], torch.tensor([[1, 0.5], [0, 1]], dtype=F64))
    torch.testing.assert_close(hold[0], torch.tensor([0.125, 0.5], dtype=F64))


@pytest.mark.parametrize("measure", ["legs", "legt", "lagt"])
def test_bilinear_steps_of_any_length_are_stable(measure):
    steps = torch.logspace(-4, 3, 15, dtype=F64)
    held, _ = discretise(*hippo(measure, 16), steps)
    assert torch.linalg.eigvals(held).abs().max() < 1


@pytest.mark.parametrize("method", METHODS)
def test_each_feature_may_have_its_own_system(method):
    systems = [hippo(name, 4) for name in ("legs", "legt", "lagt")]
    a, b = (torch.stack(each) for each in zip(*systems, strict=True))
    steps = torch.tensor([0.1, 0.02, 0.5], dtype=F64)
    held, hold = discretise(a, b, steps, method)
    for k, system in enumerate(systems):
        alone = discretise(*system, steps[k : k + 1], method)
        torch.testing.assert_close((held[k : k + 1], hold[k : k + 1]), alone)


def test_what_is_no_method():
    a, b = hippo("legs", 2)
    with pytest.raises(ArgumentError, match=r"No discretisation is called 'bilinar'.*Did you mean"):
        discretise(a, b, torch.ones(1, dtype=F64), "bilinar")
    with pytest.raises(ArgumentError, match=r"α must lie in \[0, 1\]; got 1.5"):
        discretise(a, b, torch.ones(1, dtype=F64), 1.5)
