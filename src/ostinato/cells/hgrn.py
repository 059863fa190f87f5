"""HGRN: a complex diagonal recurrence whose forget gate has a lower bound.

    c_t = SiLU(W_c x_t + b_c)                                          complex, by parts
    f_t = β + (1 − β) σ(W_f x_t + b_f),   g_t = σ(W_g x_t + b_g)
    h_t = f_t e^{iθ} ⊙ h_{t−1} + (1 − f_t) ⊙ c_t
    y_t = g_t ⊙ (Re h_t, Im h_t)                                       g of size 2H

β is larger in the upper of several layers, so that these keep more; θ begins as in rotary
embeddings, θ_j = 10000^{−j/H}.

Source: Qin, Yang & Zhong 2023, "Hierarchically Gated Recurrent Neural Network for Sequence
Modeling", NeurIPS 2023, arXiv 2311.04823.
Deviation: β is a number given for the layer, where the paper learns it for all layers together;
normalisation and output map of the paper's layer stand outside; the state is a pair of real
leaves.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ostinato.cells.complex_pair import Pair, polar, times
from ostinato.core.cell import Cell
from ostinato.core.errors import ArgumentError


class HGRNCell(Cell):
    """HGRN's recurrence; the state is (Re h, Im h), the output y.

    Args:
        input_size: D.
        hidden_size: H, complex numbers of the state.
        lower_bound: β.
        bias: whether there is b.
        device: of the parameters.
        dtype: of the parameters.

    Shapes: x (B, D); both parts of the state (B, H), output (B, 2H); `input` gives f, g, Re c
    and Im c.

    Raises:
        ArgumentError: if not 0 ≤ β < 1.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        lower_bound: float = 0.0,
        bias: bool = True,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        if not 0 <= lower_bound < 1:
            raise ArgumentError(f"lower_bound must lie in [0, 1); got {lower_bound}.")
        self.input_size, self.hidden_size = input_size, hidden_size
        self.lower_bound = lower_bound
        self.input = nn.Linear(input_size, 5 * hidden_size, bias, device, dtype)
        self.theta = nn.Parameter(torch.empty(hidden_size, device=device, dtype=dtype))
        self.reset_parameters()

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Begin with θ as above, and W and b as nn.Linear does."""
        self.input.reset_parameters()
        place = torch.arange(self.hidden_size, dtype=torch.float64) / max(1, self.hidden_size)
        self.theta.copy_(10000**-place)

    def initial_state(self, batch_size: int) -> Pair:
        """Zeros: real and imaginary part (B, H)."""
        return self.zeros(batch_size, self.hidden_size), self.zeros(batch_size, self.hidden_size)

    def forward(self, x: Tensor, state: Pair) -> tuple[Tensor, Pair]:
        """One step: x (B, D), state (Re h, Im h)."""
        size = self.hidden_size
        x_f, x_g, c_re, c_im = self.input(x).split([size, 2 * size, size, size], -1)
        f = self.lower_bound + (1 - self.lower_bound) * torch.sigmoid(x_f)
        re, im = times(polar(f, self.theta), state)
        state = (re + (1 - f) * F.silu(c_re), im + (1 - f) * F.silu(c_im))
        return torch.sigmoid(x_g) * torch.cat(state, -1), state

    def extra_repr(self) -> str:
        """The options, for `print`."""
        return f"lower_bound={self.lower_bound}"
