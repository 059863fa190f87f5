"""bfloat16 weights, inputs and autocast around a state in float32."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import ostinato as ost
from ostinato.cells import make_cell
from ostinato.core.errors import EngineError
from ostinato.core.state import leaves

from .kernels import needs_compiler

pytestmark = needs_compiler
BF16 = torch.bfloat16


class Stored(ost.Cell):
    """Weights in bfloat16, rounded inside the loop as a person would write it."""

    def __init__(self):
        super().__init__()
        self.input, self.recur = (nn.Linear(n, 7).to(BF16) for n in (5, 7))

    def initial_state(self, batch_size):
        return torch.zeros(batch_size, 7)

    def forward(self, x, h):
        new = 0.5 * h + torch.tanh(self.input(x) + self.recur(h.to(BF16)))
        return new.to(BF16), new


def outcome(layer, x, autocast=False):
    """Results, and the gradients of input and parameters."""
    with torch.autocast("cpu", BF16, enabled=autocast):
        y, state = layer(x)
    results = [y, *leaves(state)]
    loss = sum((each * each + each).sum().float() for each in results)
    return results, list(torch.autograd.grad(loss, [x, *layer.parameters()]))


def assert_close(found, expected, tolerance):
    for ours, theirs in zip(found, expected, strict=True):
        for a, b in zip(ours, theirs, strict=True):
            assert (a.dtype, a.shape) == (b.dtype, b.shape)
            assert torch.isclose(a, b, rtol=0, atol=tolerance * (1 + b.detach().abs().max())).all()


def test_weights_and_inputs_in_bfloat16():
    cell, x = Stored(), torch.randn(4, 9, 5).to(BF16).requires_grad_()
    found = outcome(ost.RNN(cell, "fused"), x)
    assert [each.dtype for each in found[0]] == [BF16, torch.float32]
    assert {each.dtype for each in found[1]} == {BF16}
    assert_close(found, outcome(ost.RNN(cell, "reference"), x), 0.03)


@pytest.mark.parametrize("dtype", [torch.float32, BF16])
@pytest.mark.parametrize("name", ["GRU", "LSTM"])
def test_autocast_is_closer_to_float32_than_the_reference_is(name, dtype):
    cell = make_cell(name, 5, 7)
    x = torch.randn(4, 30, 5).to(dtype).requires_grad_()
    found, under = (outcome(ost.RNN(cell, e), x, autocast=True) for e in ("fused", "reference"))
    assert_close(found, under, 0.03)
    y = ost.RNN(cell, "reference")(x.float())[0]
    assert (found[0][0] - y).norm() < (under[0][0] - y).norm()


def test_autocast_inside_and_outside_are_two_plans():
    layer, x = ost.RNN(make_cell("GRU", 5, 7), "fused"), torch.randn(2, 3, 5)
    before = layer(x)[0]
    with torch.autocast("cpu", BF16):
        assert not torch.equal(layer(x)[0], before)
    assert torch.equal(layer(x)[0], before)


def test_second_derivatives_of_rounded_values():
    cell, x = Stored(), torch.randn(2, 3, 5).requires_grad_()

    def curvature(engine):
        y, _ = ost.scan(lambda h, u: (cell(u.to(BF16), h)[1],) * 2, torch.zeros(2, 7),
                        x.transpose(0, 1), engine=engine)  # fmt: skip
        (slope,) = torch.autograd.grad(y.square().sum(), x, create_graph=True)
        return torch.autograd.grad(slope.square().sum(), x)[0]

    a, b = curvature("fused"), curvature("reference")
    torch.testing.assert_close(a, b, rtol=0.05, atol=0.05 * float(b.abs().max()))


def test_double_precision_inside_a_single_state_is_refused():
    with pytest.raises(EngineError, match="change of precision"):
        ost.scan(
            lambda h, x: (torch.tanh(h.double() + x).float(), x),
            torch.zeros(2, 3),
            torch.zeros(4, 2, 3),
            engine="fused",
        )
