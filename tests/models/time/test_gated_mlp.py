from __future__ import annotations

import torch
from torch.nn import functional as F

from ostinato.models.time.gated_mlp import GatedMLP


def test_it_is_what_its_equation_says():
    mlp, x = GatedMLP(4, 6), torch.randn(2, 3, 4)
    a, b = x @ mlp.gate.weight.T, x @ mlp.input.weight.T
    expected = (a * torch.sigmoid(a) * b) @ mlp.output.weight.T
    torch.testing.assert_close(mlp(x), expected)


def test_its_width_is_that_of_the_published_backbone():
    widths = {1024: 2816, 2048: 5632, 2560: 6912, 4096: 11008}
    assert {d: GatedMLP(d, device="meta").gate.out_features for d in widths} == widths


def test_another_activation():
    mlp, x = GatedMLP(4, 6, F.gelu), torch.randn(2, 3, 4)
    expected = (F.gelu(x @ mlp.gate.weight.T) * (x @ mlp.input.weight.T)) @ mlp.output.weight.T
    torch.testing.assert_close(mlp(x), expected)
