"""A layer over time and an MLP, each beside what it reads."""

from __future__ import annotations

import torch
from torch import nn

from ostinato.models.time.causal_convolution import CausalConvolution
from ostinato.models.time.residual_block import ResidualBlock


def block_of():
    layer = CausalConvolution(4, 3, bias=False)
    mlp = nn.Sequential(nn.Linear(4, 6, False), nn.GELU(), nn.Linear(6, 4, False))
    return ResidualBlock(layer, mlp, lambda: nn.RMSNorm(4)).double()


def test_it_equals_its_equations_and_its_steps():
    block, x = block_of(), torch.randn(2, 5, 4, dtype=torch.float64)
    mixed = x + block.layer(block.norm(x))[0]
    y, last = block(x)
    torch.testing.assert_close(y, mixed + block.mlp(block.mlp_norm(mixed)))
    assert block.norm is not block.mlp_norm
    state = block.initial_state(2)
    for t in range(5):
        y_t, state = block.step(x[:, t], state)
        torch.testing.assert_close(y_t, y[:, t])
    torch.testing.assert_close(state, last)


def test_padding_passes_neither_through_nor_beside():
    block, x = block_of(), torch.randn(2, 5, 4, dtype=torch.float64)
    x[1, 2:] = float("nan")
    y, _, states = block(x, lengths=[5, 2], return_states=True)
    assert not y[1, 2:].any()
    assert states.shape == (2, 5, 2, 4)
    torch.testing.assert_close(y[1:, :2], block(x[1:, :2])[0])
