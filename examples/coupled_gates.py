"""A cell of one's own in a file: an LSTM in which what is new takes the place of what is forgotten.

    ostinato train --cell examples/coupled_gates.py:CoupledGates --hidden-size 448

The gate is Greff, Srivastava, Koutník, Steunebrink & Schmidhuber 2017, "LSTM: a search space
odyssey" (CIFG), arXiv 1503.04069. Three products instead of four leave room for more units.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

import ostinato as ost

State = tuple[Tensor, Tensor]


class CoupledGates(ost.Cell):
    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.input_size, self.hidden_size = input_size, hidden_size
        self.maps = nn.Linear(input_size + hidden_size, 3 * hidden_size)

    def initial_state(self, batch_size: int) -> State:
        return self.zeros(batch_size, self.hidden_size), self.zeros(batch_size, self.hidden_size)

    def forward(self, x: Tensor, state: State) -> tuple[Tensor, State]:  # x (B, D), h, c (B, H)
        h, c = state
        gate, new, out = self.maps(torch.cat([x, h], -1)).chunk(3, -1)
        c = torch.lerp(c, torch.tanh(new), torch.sigmoid(gate))
        h = torch.sigmoid(out) * torch.tanh(c)
        return h, (h, c)
