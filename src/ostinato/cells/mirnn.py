"""Multiplicative integration: input and state terms are multiplied, unit by unit.

    w_t = W x_t,   u_t = U h_{t−1}
    h_t = φ(α ⊙ w_t ⊙ u_t + β ⊙ u_t + γ ⊙ w_t + b)

A second-order network of rank H with two of its three factors shared with the first-order part,
see `cells.second_order_forms`.

Source: Wu, Zhang, Zhang, Bengio & Salakhutdinov 2016, "On multiplicative integration with
recurrent neural networks", arXiv 1606.06630.
Deviation: α, β, γ and b begin like all else, uniform in ±1/√H, as in the comparison of Lizaire
et al. 2024, arXiv 2406.05045. With α = 0, β = γ = 1 it is an Elman network.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ostinato.cells.activation import Activation, activate, check_activation
from ostinato.cells.initialise import uniform
from ostinato.core.cell import Cell

__papers__ = ("cprnn",)


class MIRNNCell(Cell):
    """The network with multiplicative integration; state and output are h.

    Args:
        input_size: D.
        hidden_size: H.
        activation: φ: "tanh", "sigmoid", "identity", … or any function.
        device: of the parameters.
        dtype: of the parameters.

    Shapes: x (B, D); state and output (B, H); `product`, `state_gain`, `input_gain`, `bias` (H)
    are α, β, γ, b.

    Raises:
        ArgumentError: if the activation is not known.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        activation: Activation = "tanh",
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.input_size, self.hidden_size = input_size, hidden_size
        self.activation = activation
        check_activation(activation)
        self.input = nn.Linear(input_size, hidden_size, False, device, dtype)
        self.recur = nn.Linear(hidden_size, hidden_size, False, device, dtype)
        self.product, self.state_gain, self.input_gain, self.bias = (
            nn.Parameter(torch.empty(hidden_size, device=device, dtype=dtype)) for _ in range(4)
        )
        uniform(self, hidden_size)

    def initial_state(self, batch_size: int) -> Tensor:
        """Zeros (B, H)."""
        return self.zeros(batch_size, self.hidden_size)

    def forward(self, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        """One step: x (B, D), h (B, H)."""
        w = self.input(x)
        # What depends on x alone stays apart: it does not wait for the state.
        gain, rest = self.product * w + self.state_gain, self.input_gain * w + self.bias
        h = activate(self.activation, gain * self.recur(h) + rest)
        return h, h

    def extra_repr(self) -> str:
        """The activation, for `print`."""
        return f"activation={self.activation!r}"
