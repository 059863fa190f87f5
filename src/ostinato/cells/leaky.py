"""Leaky network whose units have time constants τ of their own, which are learned.

    form "inside"     h_t = φ( (1 − α) ⊙ h_{t−1} + α ⊙ (W h_{t−1} + V x_t + b) )
    form "outside"    h_t = (1 − α) ⊙ h_{t−1} + α ⊙ φ(W h_{t−1} + V x_t + b)

with α = 1 / max(k τ, 1) and a diagonal of W that is zero: what a unit remembers by itself, it
remembers by τ. With a resolution k > 1 every input is to be given k times, and a step stands for
1/k of a unit of time: the network nearly in continuous time.

Source: S. Khajehabdollahi, R. Zeraati, E. Giannakakis, T. J. Schäfer, G. Martius, A. Levina,
"Emergent mechanisms for long timescales depend on training curriculum and affect performance in
memory tasks", ICLR 2024, arXiv 2309.12927; "inside" is that of its main text.
Deviations: one bias instead of two that are added. The first state is zero instead of random,
0.1 · U(0, 1): a state before the first step is a function here, and the caller may pass another.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ostinato.cells.activation import Activation, activate, check_activation
from ostinato.core.cell import Cell
from ostinato.core.errors import ArgumentError, nearest

__papers__ = ("timescales",)

_FORMS = ("inside", "outside")


class LeakyCell(Cell):
    """A unit moves the fraction α = 1/τ of its way; the output is h_t.

    Where τ lies below 1 there is no leak, and no gradient for τ either: such a unit stays there.

    Args:
        input_size: D.
        hidden_size: H.
        form: "inside" or "outside" of φ is where the leak is; see the head of this file.
        activation: φ, as of `ElmanCell`.
        tau: τ of every unit, fixed; None: one for each, 1 + U(0, 1) at first, and learned.
        resolution: k, steps in a unit of time.
        device: of the parameters.
        dtype: of the parameters.

    Shapes: x (B, D); state and output (B, H).

    Raises:
        ArgumentError: if form or activation is not known, or tau or resolution below 1.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        form: str = "inside",
        activation: Activation = "leaky_relu",
        tau: float | None = None,
        resolution: float = 1.0,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        check_activation(activation)
        if form not in _FORMS:
            raise ArgumentError(f"The leak has no form {form!r}. {nearest(form, _FORMS)}")
        if not resolution >= 1 or not (tau is None or tau >= 1):
            raise ArgumentError(
                f"tau and resolution must be 1 or more; got tau={tau} and resolution={resolution}."
            )
        self.input_size, self.hidden_size = input_size, hidden_size
        self.form, self.activation, self.resolution = form, activation, resolution
        self.input = nn.Linear(input_size, hidden_size, True, device, dtype)
        self.recur = nn.Linear(hidden_size, hidden_size, False, device, dtype)
        first = self.input.weight.new_empty(hidden_size)
        if tau is None:
            self.tau = nn.Parameter(first.uniform_(1, 2))
        else:
            self.register_buffer("tau", first.fill_(tau))
        self.off_diagonal: Tensor
        mask = 1 - torch.eye(hidden_size, device=device, dtype=dtype)
        self.register_buffer("off_diagonal", mask, persistent=False)
        # Norms of the weight, and what perturbs it, are to see no entry that never acts.
        with torch.no_grad():
            self.recur.weight.mul_(mask)

    @property
    def alpha(self) -> Tensor:
        """α (H,): how far a unit moves in a step."""
        return 1 / (self.resolution * self.tau).clamp_min(1)

    def initial_state(self, batch_size: int) -> Tensor:
        """Zeros (B, H)."""
        return self.zeros(batch_size, self.hidden_size)

    def forward(self, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        """One step: x (B, D), h (B, H)."""
        alpha = self.alpha
        drive = self.input(x) + F.linear(h, self.recur.weight * self.off_diagonal)
        if self.form == "inside":
            h = activate(self.activation, (1 - alpha) * h + alpha * drive)
        else:
            h = (1 - alpha) * h + alpha * activate(self.activation, drive)
        return h, h
