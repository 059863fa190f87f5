"""Normalisation of heads."""

from __future__ import annotations

import torch

from ostinato.models.head_rms_norm import HeadRMSNorm


def test_every_head_has_unit_size_and_a_gain_of_its_own():
    norm = HeadRMSNorm(3, 5)
    x = torch.tensor([1.0, 10.0, 100.0])[:, None] * torch.randn(4, 3, 5)
    torch.testing.assert_close(norm(x).square().mean(-1), torch.ones(4, 3), rtol=1e-4, atol=1e-4)
    with torch.no_grad():
        norm.weight[1] = 2
    torch.testing.assert_close(norm(x)[:, 1], 2 * HeadRMSNorm(3, 5)(x)[:, 1])
