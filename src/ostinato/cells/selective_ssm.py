"""Selective state space (S6): a diagonal recurrence whose step size, B and C depend on the input.

    u_t = W x_t                                                       H channels
    (r_t, B_t, C_t) = W_s u_t,   Δ_t = softplus(W_Δ r_t + b_Δ)        B, C (N), r (R)
    h_t[d, n] = e^{Δ_t[d] A[d, n]} h_{t−1}[d, n] + Δ_t[d] B_t[n] u_t[d],   A = −e^{A_log}
    y_t[d]    = Σ_n C_t[n] h_t[d, n] + D[d] u_t[d]

It begins with A[d, n] = −(n + 1), D = 1, and biases with which Δ is log-uniform in
[step_min, step_max] for u = 0.

Source: Gu & Dao 2023, "Mamba: Linear-Time Sequence Modeling with Selective State Spaces",
arXiv 2312.00752.
Deviation: this is the recurrence without the convolution, the activation and the gate around it.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ostinato.core.cell import Cell
from ostinato.core.errors import ArgumentError


class SelectiveSSMCell(Cell):
    """Mamba's recurrence; the state is h, the output y.

    Args:
        input_size: D.
        hidden_size: H, the channels.
        state_size: N, states of each channel.
        rank: R, of the map from u to Δ; None: H/16, rounded up.
        project: whether there is W; False: u = x, as inside a block, and D must be H.
        step_min: smallest Δ at the beginning.
        step_max: largest Δ at the beginning.
        device: of the parameters.
        dtype: of the parameters.

    Shapes: x (B, D); state (B, H, N); output (B, H).

    Raises:
        ArgumentError: if N or R is below 1, not 0 < step_min ≤ step_max, or D is not H without W.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        state_size: int = 16,
        rank: int | None = None,
        project: bool = True,
        step_min: float = 1e-3,
        step_max: float = 1e-1,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        rank = max(1, -(-hidden_size // 16)) if rank is None else rank
        _check(input_size, hidden_size, state_size, rank, project, step_min, step_max)
        self.input_size, self.hidden_size = input_size, hidden_size
        self.state_size, self.rank = state_size, rank
        self.step_min, self.step_max = step_min, step_max
        self.input: nn.Module = (
            nn.Linear(input_size, hidden_size, False, device, dtype) if project else nn.Identity()
        )
        self.select = nn.Linear(hidden_size, rank + 2 * state_size, False, device, dtype)
        self.step = nn.Linear(rank, hidden_size, True, device, dtype)
        self.A_log = nn.Parameter(torch.empty(hidden_size, state_size, device=device, dtype=dtype))
        self.D = nn.Parameter(torch.empty(hidden_size, device=device, dtype=dtype))
        self.reset_parameters()

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Begin with A, D and Δ as above, and W_Δ from U(−1/√R, 1/√R)."""
        self.A_log.copy_(torch.log(torch.arange(1, self.state_size + 1)))
        nn.init.ones_(self.D)
        nn.init.uniform_(self.step.weight, -(self.rank**-0.5), self.rank**-0.5)
        low, high = math.log(self.step_min), math.log(self.step_max)
        steps = torch.exp(low + (high - low) * torch.rand(self.hidden_size, dtype=torch.float64))
        self.step.bias.copy_(steps + torch.log(-torch.expm1(-steps)))

    def initial_state(self, batch_size: int) -> Tensor:
        """Zeros (B, H, N)."""
        return self.zeros(batch_size, self.hidden_size, self.state_size)

    def forward(self, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        """One step: x (B, D), h (B, H, N)."""
        u = self.input(x)
        r, b, c = self.select(u).split([self.rank, self.state_size, self.state_size], -1)
        step = F.softplus(self.step(r))
        decay = torch.exp(step[..., None] * -torch.exp(self.A_log))
        h = decay * h + (step * u)[..., None] * b[..., None, :]
        return (h * c[..., None, :]).sum(-1) + self.D * u, h

    def extra_repr(self) -> str:
        """The options, for `print`."""
        return f"state_size={self.state_size}, rank={self.rank}"


def _check(
    input_size: int,
    hidden_size: int,
    state_size: int,
    rank: int,
    project: bool,
    step_min: float,
    step_max: float,
) -> None:
    if min(state_size, rank) < 1:
        raise ArgumentError(f"state_size and rank must be at least 1; got {state_size} and {rank}.")
    if not 0 < step_min <= step_max:
        raise ArgumentError(f"Steps need 0 < step_min <= step_max; got {step_min} and {step_max}.")
    if not project and input_size != hidden_size:
        raise ArgumentError(
            f"Without a projection the channels are x itself; got input_size={input_size} and "
            f"hidden_size={hidden_size}. Make them equal, or leave project=True."
        )
