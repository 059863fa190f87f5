"""Cells as a user writes them: the step and nothing else, with no `native()` to fall back on."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ostinato.cells.initialise import uniform
from ostinato.core.cell import Cell


class DenseStep(Cell):
    """Two linear maps, of the input and of the state, each `gates` times as wide as the state.

    Both have a bias, as in torch.nn, so that the parameters correspond one to one.

    Args:
        input_size: D.
        hidden_size: H.
    """

    gates = 1

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.input_size, self.hidden_size = input_size, hidden_size
        self.input = nn.Linear(input_size, self.gates * hidden_size)
        self.recur = nn.Linear(hidden_size, self.gates * hidden_size)
        uniform(self, hidden_size)

    def initial_state(self, batch_size: int) -> Tensor | tuple[Tensor, ...]:
        """Zeros (B, H)."""
        return self.zeros(batch_size, self.hidden_size)


class LSTMStep(DenseStep):
    """torch.nn.LSTM in five lines."""

    gates = 4

    def initial_state(self, batch_size: int) -> tuple[Tensor, Tensor]:
        """Zeros: h and c (B, H)."""
        zeros = self.zeros(batch_size, self.hidden_size)
        return zeros, zeros

    def forward(
        self, x: Tensor, state: tuple[Tensor, Tensor]
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """One step: x (B, D), state (h, c)."""
        h, c = state
        i, f, g, o = (self.input(x) + self.recur(h)).chunk(4, -1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        h = torch.sigmoid(o) * torch.tanh(c)
        return h, (h, c)


class GRUStep(DenseStep):
    """torch.nn.GRU in five lines."""

    gates = 3

    def forward(self, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        """One step: x (B, D), h (B, H)."""
        x_r, x_z, x_n = self.input(x).chunk(3, -1)
        h_r, h_z, h_n = self.recur(h).chunk(3, -1)
        z = torch.sigmoid(x_z + h_z)
        h = (1 - z) * torch.tanh(x_n + torch.sigmoid(x_r + h_r) * h_n) + z * h
        return h, h


class ElmanStep(DenseStep):
    """torch.nn.RNN in two lines."""

    def forward(self, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        """One step: x (B, D), h (B, H)."""
        h = torch.tanh(self.input(x) + self.recur(h))
        return h, h


class LeakyStep(DenseStep):
    """h_t = h_{t−1} + (tanh(W x_t + U h_{t−1} + b) − h_{t−1}) / τ, a trained τ > 1 per unit."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size)
        self.raw_tau = nn.Parameter(torch.linspace(0, 10, hidden_size))

    def forward(self, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        """One step: x (B, D), h (B, H)."""
        tau = 1 + F.softplus(self.raw_tau)
        h = h + (torch.tanh(self.input(x) + self.recur(h)) - h) / tau
        return h, h


class HeadsStep(Cell):
    """A minimal gated cell whose K heads see their own d = H / K units only.

        f = σ(W_f x + U_f h)    h = (1 − f) ⊙ h + f ⊙ tanh(W_n x + U_n h)    U: (K, d, d)

    Args:
        input_size: D.
        hidden_size: H, a multiple of `heads`.
        heads: K.
    """

    def __init__(self, input_size: int, hidden_size: int, heads: int = 4) -> None:
        super().__init__()
        self.input_size, self.hidden_size, self.heads = input_size, hidden_size, heads
        size = hidden_size // heads
        self.input = nn.Linear(input_size, 2 * hidden_size)
        self.gate = nn.Parameter(torch.empty(heads, size, size))
        self.new = nn.Parameter(torch.empty(heads, size, size))
        uniform(self, size)

    def initial_state(self, batch_size: int) -> Tensor:
        """Zeros (B, H)."""
        return self.zeros(batch_size, self.hidden_size)

    def forward(self, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        """One step: x (B, D), h (B, H)."""
        x_f, x_n = self.input(x).chunk(2, -1)
        by_head = h.view(h.shape[0], self.heads, -1)
        f = torch.sigmoid(x_f + torch.einsum("bki,kij->bkj", by_head, self.gate).flatten(1))
        n = torch.tanh(x_n + torch.einsum("bki,kij->bkj", by_head, self.new).flatten(1))
        h = (1 - f) * h + f * n
        return h, h


class DiagonalStep(Cell):
    """h_t = σ(x_a) ⊙ h_{t−1} + x_b, without weights: nothing but the recurrence.

    Args:
        input_size: not used, since x is [x_a, x_b].
        hidden_size: H.
    """

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.input_size, self.hidden_size = 2 * hidden_size, hidden_size
        self.register_buffer("like", torch.zeros(()), persistent=False)

    def initial_state(self, batch_size: int) -> Tensor:
        """Zeros (B, H)."""
        return self.zeros(batch_size, self.hidden_size)

    def forward(self, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        """One step: x (B, 2H), h (B, H)."""
        x_a, x_b = x.chunk(2, -1)
        h = torch.sigmoid(x_a) * h + x_b
        return h, h
