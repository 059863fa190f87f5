"""Jordan network: the context is fed by the outputs, not by the hidden units.

    h_t = φ(W x_t + U c_{t−1} + b)
    y_t = g(V h_t + d)
    c_t = μ c_{t−1} + y_t

With μ = 0 the context is the last output; c_0 = 0. Teacher forcing puts the target in the place
of y_t in the context.

Source: M. I. Jordan 1986, "Serial order: a parallel distributed processing approach", ICS report
8604; as restated by Lipton, Berkowitz & Elkan 2015, arXiv 1506.00019.
Deviation: the review has a matrix for y_{t−1} beside the one for c_{t−1}; c_{t−1} contains
y_{t−1}, and only the context reaches the hidden units here, as in Jordan's figure.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ostinato.cells.activation import Activation, activate, check_activation
from ostinato.cells.initialise import uniform
from ostinato.core.cell import Cell
from ostinato.core.errors import ArgumentError

__papers__ = ("rnn-survey",)


class JordanCell(Cell):
    """h_t = φ(W x_t + U c_{t−1} + b), c_t = μ c_{t−1} + y_t; the output is y_t = g(V h_t + d).

    Args:
        input_size: D.
        hidden_size: H.
        output_size: K, of the output and the context; None: H.
        decay: μ, how much of the context stays, in [0, 1).
        activation: φ: a name that `ElmanCell` knows, or any function.
        output_activation: g: likewise.
        bias: whether there are b and d.
        device: of the parameters.
        dtype: of the parameters.

    Shapes: x (B, D), or for teacher forcing the pair of x (B, D) and the target (B, K); state
    and output (B, K).

    Raises:
        ArgumentError: if the decay is not in [0, 1), or an activation is not known.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        output_size: int | None = None,
        decay: float = 0.0,
        activation: Activation = "tanh",
        output_activation: Activation = "sigmoid",
        bias: bool = True,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        check_activation(activation)
        check_activation(output_activation)
        if not 0 <= decay < 1:
            raise ArgumentError(f"decay must be in [0, 1), or the context grows; got {decay!r}.")
        self.input_size, self.hidden_size, self.decay = input_size, hidden_size, decay
        self.output_size = hidden_size if output_size is None else output_size
        self.activation, self.output_activation = activation, output_activation
        self.input = nn.Linear(input_size, hidden_size, bias, device, dtype)
        self.recur = nn.Linear(self.output_size, hidden_size, False, device, dtype)
        self.output = nn.Linear(hidden_size, self.output_size, bias, device, dtype)
        uniform(self, hidden_size)

    def initial_state(self, batch_size: int) -> Tensor:
        """Zeros (B, K)."""
        return self.zeros(batch_size, self.output_size)

    def forward(self, x: Tensor | tuple[Tensor, Tensor], c: Tensor) -> tuple[Tensor, Tensor]:
        """One step: x (B, D), or with the target (B, K) beside it; c (B, K)."""
        x, target = x if isinstance(x, tuple) else (x, None)
        h = activate(self.activation, self.input(x) + self.recur(c))
        y = activate(self.output_activation, self.output(h))
        return y, self.decay * c + (y if target is None else target)
