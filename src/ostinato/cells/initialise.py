"""How the matrices of cells begin."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def uniform(cell: nn.Module, hidden_size: int) -> None:
    """All parameters from U(−1/√H, 1/√H), the habit of torch.nn's recurrent layers."""
    bound = hidden_size**-0.5 if hidden_size else 0.0
    for parameter in cell.parameters():
        nn.init.uniform_(parameter, -bound, bound)


@torch.no_grad()
def orthogonal_blocks(weight: Tensor, size: int) -> None:
    """Each (H, H) block of a recurrent matrix (kH, H) orthogonal, one for every gate."""
    for block in torch.split(weight, size):
        nn.init.orthogonal_(block)
