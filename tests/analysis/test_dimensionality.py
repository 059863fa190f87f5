from __future__ import annotations

import pytest
import torch

from ostinato.analysis.dimensionality import dimensionality
from ostinato.core.errors import ArgumentError


def test_states_in_a_plane_have_two_dimensions():
    torch.manual_seed(0)
    states = torch.randn(20, 30, 2) @ torch.linalg.qr(torch.randn(7, 2))[0].T + 3
    found = dimensionality(states, 0.99)
    assert found.count == 2
    assert found.participation == pytest.approx(2, abs=0.05)
    assert found.variances[2:].max() < 1e-10
    assert len(found.table().rows) == 7
    assert found.plot().axes


def test_the_share_decides_how_many_count():
    states = torch.diag(torch.tensor([3.0, 2.0, 1.0])).repeat(2, 1)
    states = torch.cat([states, -states])[None]
    assert dimensionality(states, 0.6).count == 1  # 9/14 = 0.64
    assert dimensionality(states, 0.7).count == 2
    assert dimensionality(states, 0.95).count == 3


def test_one_state_or_no_share_is_refused():
    with pytest.raises(ArgumentError, match="two states"):
        dimensionality(torch.zeros(1, 1, 3))
    with pytest.raises(ArgumentError, match="and 1"):
        dimensionality(torch.zeros(4, 4, 3), 1)
