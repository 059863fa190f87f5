"""A cell of one's own in a file: one gate decides how much of h a new value replaces.

ostinato train --cell examples/minimal_gate.py:MinimalGate
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

import ostinato as ost


class MinimalGate(ost.Cell):
    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.input_size, self.hidden_size = input_size, hidden_size
        self.maps = nn.Linear(input_size + hidden_size, 2 * hidden_size)

    def initial_state(self, batch_size: int) -> Tensor:
        return self.zeros(batch_size, self.hidden_size)

    def forward(self, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:  # x (B, D), h (B, H)
        f, new = self.maps(torch.cat([x, h], -1)).chunk(2, -1)
        h = torch.lerp(h, torch.tanh(new), torch.sigmoid(f))
        return h, h
