"""Written-out functions against torch's own, with their gradients, where it matters most."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from ostinato.compiler.activations import RULES
from ostinato.compiler.record import record

F = nn.functional
SPECIAL = [0.0, -0.0, 1.0, -1.0, 0.5, 1.5, 2.5, -0.5, -1.5, 3.0, -3.0, 6.0, 50.0, -50.0, 700.0]
FUNCTIONS = {
    **{name: getattr(F, name) for name in ("elu", "selu", "leaky_relu", "hardtanh", "relu6")},
    **{name: getattr(torch, name) for name in ("ceil", "trunc", "round", "isnan", "isinf", "tan")},
    "celu": lambda x: F.celu(x, 0.3),
    "hardtanh_wide": lambda x: F.hardtanh(x, -2, 0.5),
    "softplus": F.softplus,
    "softplus_steep": lambda x: F.softplus(x, 3, 10),
    "gelu": F.gelu,
    "gelu_tanh": lambda x: F.gelu(x, approximate="tanh"),
    "exp2": lambda x: torch.exp2(x.clamp(max=20)),
    "power": lambda x: 0.5 ** x.clamp(min=-20),
    "log2": lambda x: torch.log2(x.abs() + 0.1),
    "log10": lambda x: torch.log10(x.abs() + 0.1),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_values_and_gradients_are_those_of_torch(name):
    function = FUNCTIONS[name]
    module = record(lambda x: [function(x)], [torch.zeros(2, dtype=torch.float64)])
    assert not {node.target for node in module.graph.nodes} & set(RULES)
    x = torch.tensor([*SPECIAL, torch.inf, -torch.inf, torch.nan], dtype=torch.float64)
    if name not in ("tan", "gelu", "gelu_tanh"):
        torch.testing.assert_close(module(x)[0], function(x), equal_nan=True)
    x = torch.tensor(SPECIAL, dtype=torch.float64, requires_grad=True)
    found, expected = module(x)[0], function(x)
    if expected.requires_grad:
        gradients = [torch.autograd.grad(y.sum(), x)[0] for y in (found, expected)]
        torch.testing.assert_close(*gradients)


def test_a_power_of_a_negative_number_is_left_alone():
    module = record(lambda x: [torch.pow(-2.0, x)], [torch.zeros(2)])
    assert torch.ops.aten.pow.Scalar in {node.target for node in module.graph.nodes}
