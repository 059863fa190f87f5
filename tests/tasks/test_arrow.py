"""Arrows that point at a disc, or miss it."""

from __future__ import annotations

import torch

from ostinato.tasks.arrow import draw_arrows


def test_positives_hit_a_smaller_disc_and_negatives_miss_a_larger_one():
    generator = torch.Generator().manual_seed(0)
    arrow = torch.rand(4000, 2, generator=generator)
    disc = arrow + 3 * torch.nn.functional.normalize(torch.randn(4000, 2, generator=generator))
    scene = draw_arrows(arrow, disc, torch.full((4000,), 1.0), generator)
    way = torch.stack([scene.angle.cos(), scene.angle.sin()], -1)
    ahead = ((disc - arrow) * way).sum(-1)
    aside = ((disc - arrow) - ahead[:, None] * way).norm(dim=-1)
    hit = scene.label == 1
    assert 0.45 < hit.float().mean() < 0.55
    assert ahead[hit].min() > 0
    assert aside[hit].max() <= 1 / 1.2 + 1e-4
    assert aside[hit].max() > 0.8
    missed = (ahead < 0) | (aside >= 1.2 - 1e-4)
    assert missed[~hit].all()
    assert (ahead[~hit] < 0).float().mean() > 0.4
    assert ((ahead > 0) & (aside < 1.4))[~hit].any()
