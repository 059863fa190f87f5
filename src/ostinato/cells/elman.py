"""Elman network, the simple recurrent network.

    h_t = φ(W x_t + U h_{t−1} + b)

Source: J. L. Elman 1990, "Finding structure in time", Cognitive Science 14. IRNN (activation
"relu", U = I, b = 0): Le, Jaitly & Hinton 2015, arXiv 1504.00941. U in heads: Pöppel, Beck &
Hochreiter 2025, "FlashRNN", arXiv 2412.07752.
Deviation: Elman cut the gradient after one step; here it flows as far back as the caller lets it.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ostinato.cells.activation import Activation, activate, check_activation
from ostinato.cells.block_linear import stacked_linear
from ostinato.cells.initialise import uniform
from ostinato.core.cell import Cell, Native

__papers__ = ("flashrnn", "rnn-survey")


class ElmanCell(Cell):
    """h_t = φ(W x_t + U h_{t−1} + b); the output is h_t.

    Args:
        input_size: D.
        hidden_size: H.
        activation: φ: "tanh", "relu", "leaky_relu", "sigmoid", "softplus", "hardtanh",
            "identity", or any function.
        heads: K: U is block-diagonal, so that each of K slices of h sees itself only.
        bias: whether there is b.
        recurrent_bias: whether there is a second bias with U, as torch.nn has it.
        device: of the parameters.
        dtype: of the parameters.

    Shapes: x (B, D); state and output (B, H).

    Raises:
        ArgumentError: if the activation is not known, or the heads do not divide H.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        activation: Activation = "tanh",
        heads: int = 1,
        bias: bool = True,
        recurrent_bias: bool = False,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.input_size = input_size
        self.hidden_size = hidden_size
        check_activation(activation)
        self.activation, self.heads = activation, heads
        self.input = nn.Linear(input_size, hidden_size, bias, device, dtype)
        self.recur = stacked_linear(
            hidden_size, hidden_size, heads, 1, recurrent_bias, device, dtype
        )
        uniform(self, hidden_size // heads)

    def initial_state(self, batch_size: int) -> Tensor:
        """Zeros (B, H)."""
        return self.zeros(batch_size, self.hidden_size)

    def forward(self, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        """One step: x (B, D), h (B, H)."""
        h = activate(self.activation, self.input(x) + self.recur(h))
        return h, h

    def native(self) -> Native | str:
        """torch.rnn_tanh or torch.rnn_relu."""
        if self.activation not in ("tanh", "relu"):
            return f"torch's RNN has tanh and relu only, not {self.activation}"
        return Native.of_linears(f"rnn_{self.activation}", self.input, self.recur)
