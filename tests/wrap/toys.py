"""Small cells with awkward states, in float64."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from ostinato.core.cell import Cell


class Plain(Cell):
    """h = tanh(W x + U h); the output is h."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.input_size, self.hidden_size = input_size, hidden_size
        self.input = nn.Linear(input_size, hidden_size, dtype=torch.float64)
        self.recur = nn.Linear(hidden_size, hidden_size, bias=False, dtype=torch.float64)

    def initial_state(self, batch_size: int) -> Tensor:
        return self.zeros(batch_size, self.hidden_size)

    def forward(self, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        h = torch.tanh(self.input(x) + self.recur(h))
        return h, h


class Tree(Cell):
    """A state of all sorts: a dict of a vector, a tuple with a matrix, and a step counter.

    The matrix `kept` is handed on untouched; the output is no leaf of the state.
    """

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.input_size, self.hidden_size = input_size, hidden_size
        self.input = nn.Linear(input_size, hidden_size, dtype=torch.float64)
        self.recur = nn.Linear(hidden_size, hidden_size, dtype=torch.float64)
        self.head = nn.Linear(hidden_size, 3, dtype=torch.float64)

    def initial_state(self, batch_size: int) -> dict[str, Any]:
        return {
            "h": self.zeros(batch_size, self.hidden_size),
            "kept": (self.zeros(batch_size, 2, 2) + 1,),
            "steps": torch.zeros(batch_size, dtype=torch.int64),
        }

    def forward(self, x: Tensor, state: dict[str, Any]) -> tuple[Tensor, dict[str, Any]]:
        h = torch.tanh(
            self.input(x) + self.recur(state["h"]) + state["kept"][0].sum((1, 2))[:, None]
        )
        new = {"h": h, "kept": state["kept"], "steps": state["steps"] + 1}
        return self.head(h), new


class Identity(Cell):
    """s = s, y = s: what a wrapper adds is all that is seen."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.input_size = self.hidden_size = size
        self.register_buffer("like", torch.zeros(1, dtype=torch.float64))

    def initial_state(self, batch_size: int) -> Tensor:
        return self.zeros(batch_size, self.hidden_size) + 1

    def forward(self, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        return h + 0, h + 0
