"""eLSTM: an LSTM whose recurrence is element by element, so that its sensitivities stay small.

    f_t = σ(F x_t + w_f ⊙ c_{t−1} + b_f)
    z_t = tanh(Z x_t + w_z ⊙ c_{t−1} + b_z)
    c_t = f_t ⊙ c_{t−1} + (1 − f_t) ⊙ z_t
    o_t = σ(W_o [x_t; c_t] + b_o)
    h_t = o_t ⊙ c_t

The state is c alone. The output gate reads the new c and nothing reads it back, so it is no part
of the recurrence: engines compute it for all steps at once, and forward in time nothing has to be
followed of W_o. ∂c_t/∂c_{t−1} is diagonal,

    ℓ = f + w_f ⊙ (c_{t−1} − z) ⊙ f ⊙ (1 − f) + w_z ⊙ (1 − f) ⊙ (1 − z²)

From a start in [−1, 1] the state stays there.

Source: Irie, Gopalakrishnan & Schmidhuber 2024, "Exploring the Promise and Limits of Real-Time
Recurrent Learning", arXiv 2305.19044; a Quasi-LSTM in its authors' code.
Deviation: `clip` bounds w_f and w_z, as other diagonal cells here can; by default they are not.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ostinato.cells.para_diagonal import clipped
from ostinato.core.cell import Cell
from ostinato.core.errors import ArgumentError

__papers__ = ("rtrl",)

_DEVIATION = 0.1


class ELSTMCell(Cell):
    """The eLSTM; the state is c, the output h, or c without the output gate.

    Args:
        input_size: D.
        hidden_size: H.
        output_gate: whether there is o; without it h = c.
        forget_bias: what b_f begins with beside its noise.
        clip: bound of |w|; an element beyond it has no gradient. With |w| large ℓ exceeds 1, and
            sensitivities grow from step to step.
        device: of the parameters.
        dtype: of the parameters.

    Shapes: x (B, D); state and output (B, H); `input` stacks F and Z, `recur` (2, H) holds w_f and
    w_z.

    Raises:
        ArgumentError: if `clip` is not positive.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        output_gate: bool = True,
        forget_bias: float = 0.0,
        clip: float | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        if clip is not None and not clip > 0:
            raise ArgumentError(f"clip must be positive, or None for no bound; got {clip!r}.")
        self.input_size, self.hidden_size = input_size, hidden_size
        self.forget_bias, self.clip = forget_bias, clip
        self.input = nn.Linear(input_size, 2 * hidden_size, device=device, dtype=dtype)
        self.recur = nn.Parameter(torch.empty(2, hidden_size, device=device, dtype=dtype))
        both = input_size + hidden_size
        self.output = (
            nn.Linear(both, hidden_size, device=device, dtype=dtype) if output_gate else None
        )
        self.reset_parameters()

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """All from N(0, 0.1²); `forget_bias` is added to b_f."""
        for parameter in self.parameters():
            nn.init.normal_(parameter, std=_DEVIATION)
        self.input.bias[: self.hidden_size] += self.forget_bias

    def initial_state(self, batch_size: int) -> Tensor:
        """Zeros (B, H)."""
        return self.zeros(batch_size, self.hidden_size)

    def forward(self, x: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
        """One step: x (B, D), c (B, H)."""
        x_f, x_z = self.input(x).chunk(2, -1)
        w_f, w_z = clipped(self.recur, self.clip).unbind()
        f = torch.sigmoid(x_f + w_f * c)
        z = torch.tanh(x_z + w_z * c)
        c = f * c + (1 - f) * z
        if self.output is None:
            return c, c
        return torch.sigmoid(self.output(torch.cat([x, c], -1))) * c, c

    def extra_repr(self) -> str:
        """The options, for `print`."""
        return f"forget_bias={self.forget_bias}, clip={self.clip}"
