from __future__ import annotations

import pytest
import torch

from ostinato.analysis.principal_components import principal_components


def test_two_directions_of_known_variance():
    rotation = torch.linalg.qr(torch.randn(5, 5, dtype=torch.float64)).Q
    signs = torch.tensor([[1.0, 1], [1, -1], [-1, 1], [-1, -1]], dtype=torch.float64)
    states = torch.zeros(2, 2, 5, dtype=torch.float64)
    states[..., :2] = (signs * torch.tensor([3.0, 1.0])).view(2, 2, 2)
    found = principal_components(7 + states @ rotation)
    expected = torch.tensor([0.9, 0.1, 0, 0, 0], dtype=torch.float64)
    torch.testing.assert_close(found.shares, expected)
    assert found.dimension == pytest.approx(1 / 0.82)
    assert found.table().rows[1] == [2, pytest.approx(0.1), pytest.approx(1.0)]


def test_fewer_points_than_directions():
    assert principal_components(torch.randn(1, 3, 8)).shares.shape == (8,)
