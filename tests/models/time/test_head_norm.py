"""Layer norm of heads."""

from __future__ import annotations

import torch
from torch.nn import functional as F

from ostinato.models.time.head_norm import HeadNorm


def test_each_head_is_normalised_by_itself():
    torch.manual_seed(0)
    norm, x = HeadNorm(12, 3, dtype=torch.float64), torch.randn(2, 5, 12, dtype=torch.float64)
    torch.nn.init.normal_(norm.weight)
    grouped = F.group_norm(x.flatten(0, 1), 3, norm.weight).view_as(x)
    torch.testing.assert_close(norm(x), grouped)


def test_zeros_stay_zero():
    assert not HeadNorm(6, 2)(torch.zeros(1, 6)).any()
