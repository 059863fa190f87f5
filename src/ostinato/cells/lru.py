"""Linear recurrent unit: a complex diagonal recurrence with constant eigenvalues.

    λ   = exp(−e^ν + i e^θ)                                      |λ| < 1
    h_t = λ ⊙ h_{t−1} + e^γ ⊙ B x_t                              h complex, of size H
    y_t = Re(C h_t) + D x_t

It begins with λ uniform on a ring, r_min ≤ |λ| ≤ r_max, phases in (0, max_phase), and with
e^γ = √(1 − |λ|²), so that h begins with the variance of B x whatever λ is.

Source: Orvieto, Smith, Gu, Fernando, Gulcehre, Pascanu & De 2023, "Resurrecting Recurrent Neural
Networks for Long Sequences", arXiv 2303.06349.
Deviation: D is a matrix, not a diagonal, since x may have another size than y. The state is a
pair of real leaves.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from ostinato.cells.complex_pair import Pair, polar, times
from ostinato.core.cell import Cell
from ostinato.core.errors import ArgumentError


class LRUCell(Cell):
    """The LRU; the state is (Re h, Im h), the output y.

    Args:
        input_size: D.
        hidden_size: H, complex numbers of the state and real ones of the output.
        r_min: smallest |λ| at the beginning; near 1 for long memories.
        r_max: largest |λ| at the beginning.
        max_phase: largest phase of λ at the beginning; π/50 for long memories.
        device: of the parameters.
        dtype: of the parameters.

    Shapes: x (B, D); both parts of the state and the output (B, H); `input.weight` (2H, D) is
    B, real rows first; `output.weight` (H, 2H) is [Re C, −Im C].

    Raises:
        ArgumentError: if not 0 ≤ r_min < r_max ≤ 1, or `max_phase` is not positive.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        r_min: float = 0.0,
        r_max: float = 1.0,
        max_phase: float = 2 * math.pi,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        if not 0 <= r_min < r_max <= 1 or not max_phase > 0:
            raise ArgumentError(
                "The ring needs 0 <= r_min < r_max <= 1 and a max_phase above 0; "
                f"got r_min={r_min}, r_max={r_max}, max_phase={max_phase}."
            )
        self.input_size, self.hidden_size = input_size, hidden_size
        self.r_min, self.r_max, self.max_phase = r_min, r_max, max_phase
        self.nu, self.theta, self.gamma = (
            nn.Parameter(torch.empty(hidden_size, device=device, dtype=dtype)) for _ in range(3)
        )
        self.input = nn.Linear(input_size, 2 * hidden_size, False, device, dtype)
        self.output = nn.Linear(2 * hidden_size, hidden_size, False, device, dtype)
        self.skip = nn.Linear(input_size, hidden_size, False, device, dtype)
        self.reset_parameters()

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Draw λ on the ring, and B, C, D as the paper does."""
        # In float64, and off the edges: log(−log |λ|) of the last float32 below 1 is coarse.
        u, v = 1 - torch.rand(2, self.hidden_size, dtype=torch.float64)
        square = self.r_min**2 + (self.r_max**2 - self.r_min**2) * (u * (1 - 1e-9))
        self.nu.copy_(torch.log(-0.5 * torch.log(square)))
        self.theta.copy_(torch.log(self.max_phase * v))
        self.gamma.copy_(0.5 * torch.log(1 - square))
        nn.init.normal_(self.input.weight, std=max(1, 2 * self.input_size) ** -0.5)
        nn.init.normal_(self.output.weight, std=max(1, self.hidden_size) ** -0.5)
        nn.init.normal_(self.skip.weight, std=max(1, self.input_size) ** -0.5)

    @property
    def eigenvalues(self) -> Pair:
        """λ, real and imaginary part (H,)."""
        return polar(torch.exp(-torch.exp(self.nu)), torch.exp(self.theta))

    def initial_state(self, batch_size: int) -> Pair:
        """Zeros: real and imaginary part (B, H)."""
        return self.zeros(batch_size, self.hidden_size), self.zeros(batch_size, self.hidden_size)

    def forward(self, x: Tensor, state: Pair) -> tuple[Tensor, Pair]:
        """One step: x (B, D), state (Re h, Im h)."""
        u_re, u_im = self.input(x).chunk(2, -1)
        re, im = times(self.eigenvalues, state)
        scale = torch.exp(self.gamma)
        state = (re + scale * u_re, im + scale * u_im)
        return self.output(torch.cat(state, -1)) + self.skip(x), state

    def extra_repr(self) -> str:
        """The options, for `print`."""
        return f"r_min={self.r_min}, r_max={self.r_max}, max_phase={self.max_phase:.4g}"
