"""Residual drift: a differential equation with a decay rate for every unit, by Euler's method.

    h_t = h_{t−1} + Δ φ(U x_t + b − Pᵀ (λ ⊙ (P h_{t−1})))

φ is around the whole drift, and λ is a rate of decay: memory lives as long as λ is positive, and
the longer, the nearer it is to 0. Which λ are reached is a matter of how it is parametrised:

    parametrise(cell, {"rate": RateMap("softplus")})

Source: Wang, Li & Li 2024, "Inverse approximation theory for nonlinear recurrent neural
networks", arXiv 2305.19190; its residual network with W = −Pᵀ diag(λ) P.
Deviation: λ begins at 1/H, 2/H, … 1 over Δ, so that every width has slow and fast units.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ostinato.cells.activation import Activation, activate, check_activation
from ostinato.core.cell import Cell
from ostinato.core.errors import ArgumentError

__papers__ = ("inverse-approximation",)


class ResidualDriftCell(Cell):
    """The residual network with decay rates; state and output are h.

    Args:
        input_size: D.
        hidden_size: H.
        activation: φ: "tanh", "hardtanh", "identity", … or any function.
        step: Δ.
        mixed: whether there is P; without it each unit sees itself only.
        device: of the parameters.
        dtype: of the parameters.

    Shapes: x (B, D); state and output (B, H); `rate` (H) is λ, `mixer.weight` (H, H) is P, which
    begins orthogonal.

    Raises:
        ArgumentError: if the activation is not known, or Δ is not positive.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        activation: Activation = "tanh",
        step: float = 1.0,
        mixed: bool = True,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        if not step > 0:
            raise ArgumentError(f"The step Δ must be positive; got {step}.")
        self.input_size, self.hidden_size = input_size, hidden_size
        self.activation, self.step, self.mixed = activation, step, mixed
        check_activation(activation)
        self.input = nn.Linear(input_size, hidden_size, True, device, dtype)
        self.mixer = nn.Linear(hidden_size, hidden_size, False, device, dtype) if mixed else None
        rate = torch.arange(1, hidden_size + 1, device=device, dtype=self.input.weight.dtype)
        self.rate = nn.Parameter(rate / (hidden_size * step))
        if self.mixer is not None:
            nn.init.orthogonal_(self.mixer.weight)

    def initial_state(self, batch_size: int) -> Tensor:
        """Zeros (B, H)."""
        return self.zeros(batch_size, self.hidden_size)

    def forward(self, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        """One step: x (B, D), h (B, H)."""
        if self.mixer is None:
            decay = self.rate * h
        else:
            decay = F.linear(self.rate * self.mixer(h), self.mixer.weight.T)
        h = h + self.step * activate(self.activation, self.input(x) - decay)
        return h, h

    def extra_repr(self) -> str:
        """The options, for `print`."""
        return f"activation={self.activation!r}, step={self.step}, mixed={self.mixed}"
