"""Gated recurrent unit, with either reset convention.

    r_t = σ(W_r x_t + U_r h_{t−1} + b_r)
    z_t = σ(W_z x_t + U_z h_{t−1} + b_z)
    n_t = tanh(W_n x_t + b_n + r_t ⊙ (U_n h_{t−1} + b_u))      reset after the product
    n_t = tanh(W_n x_t + b_n + U_n (r_t ⊙ h_{t−1}) + b_u)      reset before the product
    h_t = (1 − z_t) ⊙ n_t + z_t ⊙ h_{t−1}

Source: Cho et al. 2014, arXiv 1406.1078 (reset before); the form with the reset after is
cuDNN's and torch's. U in heads: Pöppel, Beck & Hochreiter 2025, "FlashRNN", arXiv 2412.07752.
Deviation: the paper writes z ⊙ n + (1 − z) ⊙ h in one version and the above in another; here
it is torch's.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ostinato.cells.block_linear import stacked_linear
from ostinato.cells.initialise import uniform
from ostinato.core.cell import Cell, Native

__papers__ = ("flashrnn", "rnn-survey")


class GRUCell(Cell):
    """The GRU; state and output are h.

    Args:
        input_size: D.
        hidden_size: H.
        reset_after: whether the reset gate acts after the product with U_n (torch), or
            before (the original).
        heads: K: each U is block-diagonal, so that each of K slices of h sees itself only.
        bias: whether there is b.
        recurrent_bias: whether there is a second bias with U, as torch.nn has it; with
            `reset_after` b_u is not redundant, since it stands inside the reset.
        device: of the parameters.
        dtype: of the parameters.

    Shapes: x (B, D); state and output (B, H). Gates stand in the order r, z, n.

    Raises:
        ArgumentError: if the heads do not divide H.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        reset_after: bool = True,
        heads: int = 1,
        bias: bool = True,
        recurrent_bias: bool = True,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.input_size, self.hidden_size = input_size, hidden_size
        self.reset_after, self.heads = reset_after, heads
        joint = 3 if reset_after else 2
        biased = bias and recurrent_bias
        self.input = nn.Linear(input_size, 3 * hidden_size, bias, device, dtype)
        sizes = (hidden_size, hidden_size, heads)
        self.recur = stacked_linear(*sizes, joint, biased, device, dtype)
        self.recur_new = None if reset_after else stacked_linear(*sizes, 1, biased, device, dtype)
        uniform(self, hidden_size // heads)

    def initial_state(self, batch_size: int) -> Tensor:
        """Zeros (B, H)."""
        return self.zeros(batch_size, self.hidden_size)

    def forward(self, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        """One step: x (B, D), h (B, H)."""
        x_r, x_z, x_n = self.input(x).chunk(3, -1)
        h_r, h_z, *h_n = self.recur(h).chunk(2 if self.recur_new is not None else 3, -1)
        r = torch.sigmoid(x_r + h_r)
        z = torch.sigmoid(x_z + h_z)
        n = torch.tanh(x_n + (r * h_n[0] if self.recur_new is None else self.recur_new(r * h)))
        h = (1 - z) * n + z * h
        return h, h

    def native(self) -> Native | str:
        """torch.gru, which resets after the product."""
        if not self.reset_after:
            return "torch's GRU resets after the product with the state, not before"
        return Native.of_linears("gru", self.input, self.recur)
