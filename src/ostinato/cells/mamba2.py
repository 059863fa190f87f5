"""Mamba-2 (state space duality): a matrix in each head with one decay that depends on the input.

    (u_t, B_t, C_t, d_t) = W x_t                       u (heads, V), B and C (groups, N), d (heads)
    Δ_t = softplus(d_t + b),   A = −e^{A_log}
    S_t = e^{Δ_t A} S_{t−1} + B_t (Δ_t u_t)ᵀ
    y_t = S_tᵀ C_t + D u_t

It begins with −A uniform in [1, 16], D = 1, and biases with which Δ is log-uniform in
[0.001, 0.1] where d = 0.

Source: Dao & Gu 2024, "Transformers are SSMs: Generalized Models and Efficient Algorithms Through
Structured State Space Duality", arXiv 2405.21060.
Deviation: this is the recurrence without the convolution, the activations, the normalisation and
the gate around it.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ostinato.core.errors import ArgumentError
from ostinato.engines.chunk.matrix_cell import Factors, MatrixCell

_RATES, _STEPS = (1.0, 16.0), (1e-3, 1e-1)


class Mamba2Cell(MatrixCell):
    """Mamba-2's recurrence; the state is S, the output y, heads end to end.

    Args:
        input_size: D.
        hidden_size: H = heads · V.
        heads: how many; a divisor of H.
        state_size: N, the keys of each head.
        groups: how many heads in succession share B and C is heads / groups.
        device: of the parameters.
        dtype: of the parameters.

    Shapes: x (B, D); state (B, heads, N, V); output (B, H); `input.weight` holds u, B, C and d.

    Raises:
        ArgumentError: if the heads do not divide H, the groups the heads, or N is below 1.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        heads: int = 1,
        state_size: int = 64,
        groups: int = 1,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        if heads < 1 or hidden_size % heads or groups < 1 or heads % groups or state_size < 1:
            raise ArgumentError(
                f"heads must divide the hidden size {hidden_size}, groups the heads, and "
                f"state_size be at least 1; got heads={heads}, groups={groups}, "
                f"state_size={state_size}."
            )
        self.input_size, self.hidden_size, self.heads = input_size, hidden_size, heads
        self.key_size, self.value_size, self.groups = state_size, hidden_size // heads, groups
        outputs = hidden_size + 2 * groups * state_size + heads
        self.input = nn.Linear(input_size, outputs, False, device, dtype)
        self.step_bias, self.A_log, self.D = (
            nn.Parameter(torch.empty(heads, device=device, dtype=dtype)) for _ in range(3)
        )
        self.reset_parameters()

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Begin with A, D and Δ as above."""
        self.input.reset_parameters()
        nn.init.ones_(self.D)
        self.A_log.uniform_(*_RATES).log_()
        low, high = map(math.log, _STEPS)
        steps = torch.exp(low + (high - low) * torch.rand(self.heads, dtype=torch.float64))
        self.step_bias.copy_(steps + torch.log(-torch.expm1(-steps)))

    def factors(self, x: Tensor) -> Factors:
        """What inputs (rows, D) do to the state."""
        keys = self.groups * self.key_size
        u, b, c, d = self.input(x).split([self.hidden_size, keys, keys, self.heads], -1)
        step = F.softplus(d + self.step_bias)[..., None]
        u = torch.unflatten(u, -1, (self.heads, -1))
        g = -torch.exp(self.A_log)[:, None] * step
        return Factors(
            q=self._in_heads(c),
            k=self._in_heads(b)[..., None, :, :],
            v=(step * u)[..., None, :, :],
            g=g,
            skip=self.D[:, None] * u,
        )

    def _in_heads(self, values: Tensor) -> Tensor:
        """(rows, groups · N) as (rows, heads, N)."""
        groups = torch.unflatten(values, -1, (self.groups, 1, -1))
        shape = (*values.shape[:-1], self.groups, self.heads // self.groups, self.key_size)
        return groups.expand(shape).flatten(-3, -2)

    def extra_repr(self) -> str:
        """The options, for `print`."""
        return f"heads={self.heads}, state_size={self.key_size}, groups={self.groups}"
