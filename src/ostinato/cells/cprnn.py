"""CPRNN: a second-order network whose tensor is a sum of R outer products.

    h_t = φ(C ((A h_{t−1}) ⊙ (B x_t)) + V h_{t−1} + U x_t + b)

Its T_ijk = Σ_r A_ri B_rj C_kr, a CP decomposition, has R (2H + D) numbers instead of H² D. The
rank leads from an Elman network (C = 0) to the full second-order network (R large); see
`cells.second_order_forms`. The Jacobian diag(φ′) (C diag(B x) A + V) is one of rank R plus a
constant.

Source: Lizaire, Rizvi-Martel, Gamal Abdel Hameed & Rabusseau 2024, "A tensor decomposition
perspective on second-order RNNs", arXiv 2406.05045; without a first-order part its "CPBIRNN".
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ostinato.cells.activation import Activation, activate, check_activation
from ostinato.cells.initialise import uniform
from ostinato.core.cell import Cell
from ostinato.core.errors import ArgumentError

__papers__ = ("cprnn",)


class CPRNNCell(Cell):
    """The second-order network of rank R; state and output are h.

    Args:
        input_size: D.
        hidden_size: H.
        rank: R.
        activation: φ: "tanh", "sigmoid", "identity", … or any function.
        first_order: whether there are V h + U x; the bias b is there in any case.
        device: of the parameters.
        dtype: of the parameters.

    Shapes: x (B, D); state and output (B, H); `state_factor.weight` (R, H) is A,
    `input_factor.weight` (R, D) is B, `output_factor.weight` (H, R) is C, its bias b.

    Raises:
        ArgumentError: if the activation is not known, or the rank is below 1.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        rank: int = 8,
        activation: Activation = "tanh",
        first_order: bool = True,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        if rank < 1:
            raise ArgumentError(f"The rank must be 1 or more; got {rank}. Rank 0 is ElmanCell.")
        self.input_size, self.hidden_size, self.rank = input_size, hidden_size, rank
        self.activation, self.first_order = activation, first_order
        check_activation(activation)
        self.state_factor = nn.Linear(hidden_size, rank, False, device, dtype)
        self.input_factor = nn.Linear(input_size, rank, False, device, dtype)
        self.output_factor = nn.Linear(rank, hidden_size, True, device, dtype)
        self.recur, self.input = (
            nn.Linear(size, hidden_size, False, device, dtype) if first_order else None
            for size in (hidden_size, input_size)
        )
        uniform(self, hidden_size)

    def initial_state(self, batch_size: int) -> Tensor:
        """Zeros (B, H)."""
        return self.zeros(batch_size, self.hidden_size)

    def forward(self, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        """One step: x (B, D), h (B, H)."""
        a = self.output_factor(self.state_factor(h) * self.input_factor(x))
        if self.recur is not None and self.input is not None:
            a = a + self.recur(h) + self.input(x)
        h = activate(self.activation, a)
        return h, h

    def extra_repr(self) -> str:
        """The options, for `print`."""
        return f"activation={self.activation!r}, first_order={self.first_order}"
