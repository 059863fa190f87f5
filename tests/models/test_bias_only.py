from __future__ import annotations

import torch
from torch import nn

from ostinato.models.bias_only import BiasOnly, affine


def test_it_is_an_affine_map_whose_matrix_is_zero():
    constant, linear = affine(3, 4, weights=False), affine(3, 4, weights=True)
    assert isinstance(constant, BiasOnly)
    assert isinstance(linear, nn.Linear)
    with torch.no_grad():
        constant.bias.copy_(linear.bias)
        linear.weight.zero_()
    x = torch.randn(2, 5, 3)
    assert constant(x).equal(linear(x))
