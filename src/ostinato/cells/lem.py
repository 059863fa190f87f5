"""Long expressive memory: two coupled equations whose time scales are gates, one explicit step.

    δ_t = Δ σ(W_1 x_t + U_1 y_{t−1} + b_1)
    ε_t = Δ σ(W_2 x_t + U_2 y_{t−1} + b_2)
    z_t = (1 − δ_t) ⊙ z_{t−1} + δ_t ⊙ tanh(W_z x_t + U_z y_{t−1} + b_z)
    y_t = (1 − ε_t) ⊙ y_{t−1} + ε_t ⊙ tanh(W_y x_t + U_y z_t + b_y)

With Δ up to 1 both states stay in [−1, 1] from there on.

Source: Rusch, Mishra, Erichson & Mahoney 2022, "Long Expressive Memory for Sequence Modeling",
ICLR, arXiv 2110.04744; its Δt is Δ, and its Δt_n and the same with a bar are δ and ε.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ostinato.cells.initialise import uniform
from ostinato.core.cell import Cell
from ostinato.core.errors import ArgumentError


class LEMCell(Cell):
    """Long expressive memory; the state is (y, z), the output y.

    Args:
        input_size: D.
        hidden_size: H.
        step_size: Δ, above 0 and at most 1: the shorter, the longer units remember.
        bias: whether there is b.
        device: of the parameters.
        dtype: of the parameters.

    Shapes: x (B, D); y, z and output (B, H).

    Raises:
        ArgumentError: if `step_size` does not lie above 0 and up to 1.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        step_size: float = 1.0,
        bias: bool = True,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        if not 0 < step_size <= 1:
            raise ArgumentError(f"step_size must lie above 0 and up to 1; got {step_size}.")
        self.input_size, self.hidden_size = input_size, hidden_size
        self.step_size = step_size
        self.input = nn.Linear(input_size, 4 * hidden_size, bias, device, dtype)
        self.recur = nn.Linear(hidden_size, 3 * hidden_size, False, device, dtype)
        self.recur_out = nn.Linear(hidden_size, hidden_size, False, device, dtype)
        uniform(self, hidden_size)

    def initial_state(self, batch_size: int) -> tuple[Tensor, Tensor]:
        """Zeros: y and z (B, H)."""
        return self.zeros(batch_size, self.hidden_size), self.zeros(batch_size, self.hidden_size)

    def forward(
        self, x: Tensor, state: tuple[Tensor, Tensor]
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """One step: x (B, D), state (y, z)."""
        y, z = state
        x_1, x_2, x_z, x_y = self.input(x).chunk(4, -1)
        h_1, h_2, h_z = self.recur(y).chunk(3, -1)
        delta = self.step_size * torch.sigmoid(x_1 + h_1)
        epsilon = self.step_size * torch.sigmoid(x_2 + h_2)
        z = (1 - delta) * z + delta * torch.tanh(x_z + h_z)
        y = (1 - epsilon) * y + epsilon * torch.tanh(x_y + self.recur_out(z))
        return y, (y, z)
