"""ParaGRU: a GRU with diagonal recurrence, whose step has a diagonal Jacobian.

    z_t = σ(a_z ⊙ h_{t−1} + B_z x_t + b_z)
    r_t = σ(a_r ⊙ h_{t−1} + B_r x_t + b_r)
    n_t = tanh(a_n ⊙ r_t ⊙ h_{t−1} + B_n x_t + b_n)
    h_t = (1 − z_t) ⊙ h_{t−1} + z_t ⊙ n_t

Every a is clipped to [−clip, clip], and B is block-diagonal over heads. From a start in [−1, 1]
the state stays there. With a = 0 it is a linear gated recurrence.

Source: Danieli, Rodríguez, Sarabia, Suau & Zappella 2025, "ParaRNN: Unlocking Parallel Training
of Nonlinear RNNs for Large Language Models", arXiv 2510.21450.
Deviation: gates stand in the order r, z, n of all GRUs here; z is the paper's, one minus the z
of `GRUCell`, and n its c. The paper clips "the norm" of a;
here each element is clipped, which bounds each of the H scalar recurrences by itself.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ostinato.cells.activation import Activation, activate, check_activation
from ostinato.cells.block_linear import stacked_linear
from ostinato.cells.para_diagonal import begin, check, clipped
from ostinato.core.cell import Cell

__papers__ = ("pararnn",)


class ParaGRUCell(Cell):
    """The ParaGRU; state and output are h.

    Args:
        input_size: D.
        hidden_size: H.
        heads: K: each of K slices of x feeds one slice of h only; a divisor of D and H.
        clip: bound of |a|; a beyond it has no gradient. The paper takes 0.5 for language, 0.9
            for synthetic tasks, and None, no bound, for parity. Without a bound, evaluation by
            Newton's method may need as many iterations as there are steps.
        initial: how parameters begin: "paper", for language, or "released", as in the authors'
            code.
        activation: in the place of tanh, as of `ElmanCell`.
        gate_activation: in the place of σ.
        bias: whether there is b.
        device: of the parameters.
        dtype: of the parameters.

    Shapes: x (B, D); state and output (B, H); `recur` (3, H) holds a_r, a_z, a_n.

    Raises:
        ArgumentError: if the sizes cannot be divided by the heads, `clip` is not positive, or
            `initial` or an activation is not known.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        heads: int = 1,
        clip: float | None = 0.5,
        initial: str = "paper",
        activation: Activation = "tanh",
        gate_activation: Activation = "sigmoid",
        bias: bool = True,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        check(clip, initial)
        check_activation(activation)
        check_activation(gate_activation)
        self.input_size, self.hidden_size = input_size, hidden_size
        self.heads, self.clip, self.initial = heads, clip, initial
        self.activation, self.gate_activation = activation, gate_activation
        self.input = stacked_linear(input_size, hidden_size, heads, 3, bias, device, dtype)
        self.recur = nn.Parameter(torch.empty(3, hidden_size, device=device, dtype=dtype))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw B and a, and set b, as `initial` says."""
        begin(self.initial, 1, self.input, self.recur)

    def initial_state(self, batch_size: int) -> Tensor:
        """Zeros (B, H)."""
        return self.zeros(batch_size, self.hidden_size)

    def forward(self, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        """One step: x (B, D), h (B, H)."""
        x_r, x_z, x_n = self.input(x).chunk(3, -1)
        a_r, a_z, a_n = clipped(self.recur, self.clip).unbind()
        r = activate(self.gate_activation, x_r + a_r * h)
        z = activate(self.gate_activation, x_z + a_z * h)
        n = activate(self.activation, x_n + a_n * (r * h))
        h = (1 - z) * h + z * n
        return h, h

    def extra_repr(self) -> str:
        """The options, for `print`."""
        return f"heads={self.heads}, clip={self.clip}"
