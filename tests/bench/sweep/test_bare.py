"""Operations without weights compute what cells with weights do."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from ostinato.bench.sweep.bare import Updates
from ostinato.engines.chunk.delta_rule import unit
from ostinato.over.time import RNN


@pytest.mark.parametrize("updates", [1, 3])
def test_a_step_makes_several_updates(updates):
    """One head of 2 × 2, as the equations say."""
    cell = Updates(0, 2, updates=updates).double()
    x = torch.randn(1, 2, cell.input_size, dtype=torch.float64)
    parts = torch.split(x[0], list(cell.parts.values()), -1)
    state, expected = torch.zeros(2, 2, dtype=torch.float64), []
    for q, k, v, b, g in zip(*parts, strict=True):
        state = torch.exp(-F.softplus(g)) * state
        for key, value, beta in zip(k.view(-1, 2), v.view(-1, 2), b, strict=True):
            key = unit(key)
            state = state + 2 * torch.sigmoid(beta) * torch.outer(key, value - state.T @ key)
        expected.append(state.T @ unit(q) / 2**0.5)
    torch.testing.assert_close(RNN(cell, "reference")(x)[0][0], torch.stack(expected))
