"""A plan of a function lives on without the tensors of its first call, and takes others."""

from __future__ import annotations

import gc
import weakref

import pytest
import torch
from torch import nn

import ostinato as ost
from ostinato.core.registry import engines
from ostinato.engines.fused.toolchain import find_compiler

pytestmark = pytest.mark.skipif(find_compiler() is None, reason="no C++ compiler")


@pytest.fixture
def traces(monkeypatch):
    """How many steps were traced; from here on."""
    engine, made = engines()["fused"], []
    build = engine._plans.build
    monkeypatch.setattr(engine._plans, "_of_functions", type(engine._plans._of_functions)())
    monkeypatch.setattr(engine._plans, "build", lambda r: made.append(r) or build(r))
    return made


def agree(step, h, x, wanted=()):
    """Compare values and gradients with the reference."""
    outcomes = []
    for engine in ("fused", "reference"):
        last, ys = ost.scan(step, h, x, engine=engine)
        loss = (ys**2).sum() + last.sum()
        gradients = torch.autograd.grad(loss, wanted, retain_graph=True) if wanted else ()
        outcomes.append([last, ys, *gradients])
    torch.testing.assert_close(*outcomes)


H, X = torch.randn(2, 3), torch.randn(4, 2, 3)


def with_matrix(w, gain=1.0):
    return lambda h, x: (torch.tanh(h @ w * gain + x), h @ w)


def test_tensors_are_those_of_the_present_call(traces):
    for _ in range(3):
        w = torch.randn(3, 3, requires_grad=True)
        agree(with_matrix(w), H, X, (w,))
        agree(with_matrix(w), torch.randn(5, 3), torch.randn(7, 5, 3), (w,))
    assert len(traces) == 1
    agree(with_matrix(w.detach()), H, X)
    agree(with_matrix(w, 0.5), H, X)
    agree(with_matrix(w.T), H, X)
    assert len(traces) == 4


def test_computed_tensors_pass_their_gradient_on(traces):
    base = torch.randn(3, 3, requires_grad=True)
    for _ in range(2):
        agree(with_matrix(base.softmax(0)), H, X, (base,))
    assert len(traces) == 1


def test_loop_variables_are_those_of_their_turn(traces):
    for scale in (0.5, 0.25, 0.5):
        agree(lambda h, x: (h * scale + x, h), H, X)  # noqa: B023
    assert len(traces) == 2


def test_literals_stay(traces):
    for _ in range(2):
        agree(lambda h, x: (h * torch.tensor([1.0, 2.0, 3.0]) + x, h), H, X)
    assert len(traces) == 1


def test_modules_are_followed(traces):
    linear, drop = nn.Linear(3, 3), nn.Dropout(0.5)

    def step(h, x):
        return torch.tanh(drop(linear(h)) + x), h

    drop.eval()
    agree(step, H, X, (linear.weight, linear.bias))
    with torch.no_grad():
        linear.weight.add_(1)
    agree(step, H, X, (linear.weight,))
    linear.weight = nn.Parameter(torch.randn(3, 3))
    agree(step, H, X, (linear.weight,))
    drop.train()
    with pytest.raises(ost.EngineError, match=r"random|in place"):
        ost.scan(step, H, X, engine="fused")
    linear.register_forward_hook(lambda *_: None)
    with pytest.raises(ost.EngineError, match="hooks"):
        ost.scan(step, H, X, engine="fused")


def test_the_same_tensor_twice_is_another_step(traces):
    def pair(p, q):
        return lambda h, x: (h * p + q + x, h)

    a, b = torch.randn(3), torch.randn(3)
    for p, q in ((a, b), (b, a), (a, a), (b, b)):
        agree(pair(p, q), H, X)
    assert len(traces) == 2


def test_masks_and_shapes_are_part_of_the_key(traces):
    w = torch.randn(3, 3)
    agree(with_matrix(w), H, X)
    found, _ = ost.scan(with_matrix(w), H, X, engine="fused", lengths=[2, 4])
    expected, _ = ost.scan(with_matrix(w), H, X, engine="reference", lengths=[2, 4])
    torch.testing.assert_close(found, expected)


def test_tensors_of_a_call_do_not_live_on(traces):
    w = torch.randn(3, 3, requires_grad=True)
    gone = weakref.ref(w)
    agree(with_matrix(w), H, X, (w,))
    traces.clear()
    del w
    gc.collect()
    assert gone() is None


TABLE = torch.randn(3)


class Reaching(nn.Module):
    def forward(self, h):
        return self.far(h)

    def far(self, h):
        return h * TABLE


def test_a_plan_with_a_tensor_from_elsewhere_is_not_kept(traces):
    reaching = Reaching()
    for value in (1.0, 2.0):
        globals()["TABLE"] = torch.full((3,), value)
        agree(lambda h, x: (torch.tanh(reaching(h) + x), h), H, X)
    assert not engines()["fused"]._plans._of_functions


def test_auto_takes_short_sequences_of_known_functions():
    with ost.core.registry.recorded_decisions() as decisions:
        ost.scan(with_matrix(torch.randn(3, 3)), H, X)
        counter = iter(range(10**6))
        ost.scan(lambda h, x: (h * (next(counter) >= 0) + x, h), H, X)
    assert [each.chosen for each in decisions] == ["fused", "reference"]
