from __future__ import annotations

import pytest
import torch
from torch import nn

from ostinato.compiler.trace import TraceError, trace


def run(traced, *leaves):
    return traced.module(*leaves)


def test_parameters_and_closures_are_constants_by_identity():
    linear, scale = nn.Linear(3, 4), torch.randn(4)
    traced = trace(
        lambda h, x: (torch.tanh(linear(x) + scale * h), h), torch.zeros(2, 4), torch.zeros(2, 3)
    )
    found = list(traced.constants.values())
    for tensor in (linear.weight, linear.bias, scale):
        assert any(each is tensor for each in found)
    assert [len(part) for part in (traced.carry, traced.x, traced.new_carry)] == [1, 1, 1]


@pytest.mark.parametrize("rows", [1, 2, 5])
def test_the_graph_serves_any_number_of_rows(rows):
    def step(h, x):
        return (h.view(-1, 2, 2) * x.sum(1)[:, None, None]).flatten(1), torch.zeros(h.shape[0], 1)

    h, x = torch.randn(rows, 4), torch.randn(rows, 3)
    traced = trace(step, torch.zeros(3, 4), torch.zeros(3, 3))
    with torch.no_grad():
        new, y = run(traced, h, x)
    torch.testing.assert_close(new, step(h, x)[0])
    assert y.shape == (rows, 1)


def test_how_elements_lie_in_memory_is_left_out():
    """torch's rule for lerp copies its result into the order of its first argument."""

    def step(h, x):
        return torch.lerp(h.mT, x[:, None] * h, 0.3).mT, None

    h, x = torch.randn(3, 2, 2), torch.randn(3, 2)
    traced = trace(step, torch.zeros(3, 2, 2), torch.zeros(3, 2))
    torch.testing.assert_close(run(traced, h, x)[0], step(h, x)[0])
    assert not any("copy_strided" in str(node.target) for node in traced.nodes)


def test_norms_and_softmax_are_taken_apart_and_stay_right():
    norm, rms = nn.LayerNorm(4), nn.RMSNorm(4)
    nn.init.normal_(norm.weight)

    def step(h, x):
        h = torch.softmax(norm(h), -1) + torch.log_softmax(x, -1) + rms(x)
        return h + nn.functional.softplus(h).mean(-1, keepdim=True), None

    h, x = torch.randn(3, 4), torch.randn(3, 4)
    traced = trace(step, torch.zeros(3, 4), torch.zeros(3, 4))
    torch.testing.assert_close(run(traced, h, x)[0], step(h, x)[0])
    names = {str(node.target) for node in traced.nodes}
    assert not any("norm" in name or "softmax" in name for name in names)


def test_control_flow_that_depends_on_values_is_named_with_its_line():
    def step(h, x):
        if h.sum() > 0:
            return h, h
        return x, x

    with pytest.raises(TraceError, match=r"depends on the value of a tensor, in .*test_trace\.py"):
        trace(step, torch.zeros(2, 3), torch.zeros(2, 3))


def test_errors_of_the_step_are_passed_on_with_their_line():
    def step(h, x):
        return h @ x, h

    with pytest.raises(TraceError, match=r"test_trace\.py:\d+: return h @ x, h"):
        trace(step, torch.zeros(2, 3), torch.zeros(2, 4))


@pytest.mark.parametrize(
    "step",
    [
        lambda h, x: (h + torch.zeros(len(x), 4), h),
        lambda h, x: (h + x, h) if x.shape[0] > 4 else (h, x),
        lambda h, x: (h + x, h) if x.shape[0] % 2 else (h, x),
    ],
)
def test_a_step_must_not_depend_on_the_number_of_rows(step):
    with pytest.raises(TraceError, match="depends on how many rows there are"):
        trace(step, torch.zeros(2, 4), torch.zeros(2, 4))
