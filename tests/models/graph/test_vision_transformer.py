"""The vision transformer."""

from __future__ import annotations

import pytest
import torch

from ostinato.core.errors import ArgumentError
from ostinato.models.graph.vision_transformer import SelfAttention, VisionTransformer


def test_attention_equals_its_formula():
    layer, x = SelfAttention(8, 2).double(), torch.randn(2, 3, 2, 8, dtype=torch.float64)
    q, k, v = layer.input(x.view(2, 6, 8)).chunk(3, -1)
    heads = []
    for h in (slice(0, 4), slice(4, 8)):
        share = torch.softmax(q[..., h] @ k[..., h].mT / 2, -1)
        heads.append(share @ v[..., h])
    torch.testing.assert_close(layer(x), layer.output(torch.cat(heads, -1)).view(2, 3, 2, 8))


def test_without_positions_and_with_a_mean_it_knows_no_places():
    model, x = VisionTransformer(4, 2, 8, 1, 2, patch=1), torch.randn(1, 3, 3, 4)
    moved = x.flatten(1, 2)[:, torch.randperm(9)].view(1, 3, 3, 4)
    torch.testing.assert_close(model(moved), model(x))
    placed = VisionTransformer(4, 2, 8, 1, 2, patch=1, positions=(3, 3))
    torch.nn.init.normal_(placed.embedding.positions)
    assert not torch.allclose(placed(moved), placed(x))


def test_heads_that_do_not_divide_are_refused():
    with pytest.raises(ArgumentError, match="heads=3"):
        VisionTransformer(1, 2, 8, 1, 3)
