"""What image models share."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from ostinato.core.errors import ArgumentError, ShapeError
from ostinato.models.graph.vision import PatchEmbedding, TokenBlock, VisionModel


def test_patches_equal_a_convolution():
    embedding = PatchEmbedding(3, 5, 4)
    image = torch.randn(2, 8, 12, 3)
    kernel = embedding.input.weight.view(5, 4, 4, 3).permute(0, 3, 1, 2)
    expected = nn.functional.conv2d(image.movedim(-1, 1), kernel, embedding.input.bias, 4)
    torch.testing.assert_close(embedding(image), expected.movedim(1, -1), rtol=1e-4, atol=1e-5)


def test_positions_are_learned_for_one_grid_and_interpolated_for_others():
    embedding = PatchEmbedding(1, 2, 1, (4, 4))
    with torch.no_grad():
        embedding.input.weight.zero_()
        embedding.input.bias.zero_()
        embedding.positions[0] = torch.linspace(0, 3, 4)[:, None]
    torch.testing.assert_close(
        embedding(torch.zeros(1, 4, 4, 1))[0], embedding.positions.movedim(0, -1)
    )
    large = embedding(torch.zeros(1, 8, 8, 1))[0, :, 3, 0].detach()
    assert large.diff().min() > -0.1
    assert float(large[4] + large[3]) == pytest.approx(3, abs=1e-5)


def test_a_block_adds_its_mixer_and_its_mlp():
    block = TokenBlock(4, nn.Identity(), nn.LayerNorm)
    x = torch.randn(1, 2, 2, 4)
    mixed = x + nn.functional.layer_norm(x, (4,))
    torch.testing.assert_close(block(x), mixed + block.mlp(mixed))


def test_read_outs():
    x = torch.arange(12.0).view(1, 3, 4, 1)
    for readout, expected in (("corners", [0.0, 3, 8, 11]), ("mean", [5.5])):
        embedding = PatchEmbedding(1, 1)
        model = VisionModel(embedding, [], nn.Identity(), 4, readout)
        with torch.no_grad():
            embedding.input.weight.fill_(1)
            embedding.input.bias.zero_()
        tokens = torch.tensor([expected])
        torch.testing.assert_close(model(x), model.head(tokens))


def test_what_does_not_fit_is_refused():
    with pytest.raises(ShapeError, match=r"sides that 2 divides; got \[1, 4, 5, 3\]"):
        PatchEmbedding(3, 4, 2)(torch.zeros(1, 4, 5, 3))
    with pytest.raises(ArgumentError, match="Did you mean 'corners'"):
        VisionModel(PatchEmbedding(1, 1), [], nn.Identity(), 2, "corner")
