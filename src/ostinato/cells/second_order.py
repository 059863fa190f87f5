"""Second-order network: input and state are multiplied, so that each input has its own matrix.

    h_t = φ(M_t h_{t−1} + U x_t + b),    (M_t)_ki = Σ_j T_ijk x_tj + V_ki

T (H, D, H) is the second-order term, V h + U x + b the first-order part. Without a φ and a
first-order part it is a weighted automaton.

Source: C. L. Giles et al. 1990, "Higher order recurrent networks and grammatical inference",
NIPS 2; as the "2RNN", and without a first-order part the "BiRNN", in Lizaire, Rizvi-Martel, Gamal
Abdel Hameed & Rabusseau 2024, "A tensor decomposition perspective on second-order RNNs",
arXiv 2406.05045.
Deviation: M_t is one linear map of x_t, with the bias V, which does not wait for the state. The
paper multiplies by T what is the outer product of both.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ostinato.cells.activation import Activation, activate, check_activation
from ostinato.cells.initialise import uniform
from ostinato.core.cell import Cell

__papers__ = ("cprnn",)


class SecondOrderCell(Cell):
    """The second-order network; state and output are h.

    Args:
        input_size: D.
        hidden_size: H.
        activation: φ: "tanh", "sigmoid", "identity", … or any function.
        first_order: whether there is a first-order part V h + U x + b.
        device: of the parameters.
        dtype: of the parameters.

    Shapes: x (B, D); state and output (B, H); `transition.weight` (H·H, D) is T, whose element
    T_ijk stands in row k·H + i; `transition.bias` (H·H) is V, row by row.

    Raises:
        ArgumentError: if the activation is not known.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        activation: Activation = "tanh",
        first_order: bool = True,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.input_size, self.hidden_size = input_size, hidden_size
        self.activation, self.first_order = activation, first_order
        check_activation(activation)
        self.transition = nn.Linear(input_size, hidden_size**2, first_order, device, dtype)
        self.input = (
            nn.Linear(input_size, hidden_size, True, device, dtype) if first_order else None
        )
        uniform(self, hidden_size)

    def initial_state(self, batch_size: int) -> Tensor:
        """Zeros (B, H); without a first-order part ones, since 0 would stay 0."""
        zeros = self.zeros(batch_size, self.hidden_size)
        return zeros if self.first_order else zeros + 1

    def forward(self, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        """One step: x (B, D), h (B, H)."""
        matrix = self.transition(x).unflatten(-1, (self.hidden_size, self.hidden_size))
        a = (matrix * h.unsqueeze(-2)).sum(-1)
        h = activate(self.activation, a if self.input is None else a + self.input(x))
        return h, h

    def extra_repr(self) -> str:
        """The options, for `print`."""
        return f"activation={self.activation!r}, first_order={self.first_order}"
