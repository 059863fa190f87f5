"""ParaLSTM: an LSTM with diagonal recurrence, peepholes and coupled gates.

    f_t = σ(a_f ⊙ h_{t−1} + p_f ⊙ c_{t−1} + B_f x_t + b_f)
    g_t = tanh(a_g ⊙ h_{t−1} + B_g x_t + b_g)
    c_t = f_t ⊙ c_{t−1} + (1 − f_t) ⊙ g_t
    o_t = σ(a_o ⊙ h_{t−1} + p_o ⊙ c_t + B_o x_t + b_o)
    h_t = o_t ⊙ tanh(c_t)

Every a and p is clipped to [−clip, clip], and B is block-diagonal over heads. The Jacobian of a
step has 2×2 blocks of diagonals. From a start in [−1, 1] both states stay there.

Source: Danieli, Rodríguez, Sarabia, Suau & Zappella 2025, "ParaRNN: Unlocking Parallel Training
of Nonlinear RNNs for Large Language Models", arXiv 2510.21450.
Deviation: the state is (h, c) and gates stand in the order f, g, o, as in all LSTMs here; the
candidate g is the paper's z. The paper clips "the norm"; here each element is clipped.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ostinato.cells.activation import Activation, activate, check_activation
from ostinato.cells.block_linear import stacked_linear
from ostinato.cells.para_diagonal import begin, check, clipped
from ostinato.core.cell import Cell

__papers__ = ("pararnn",)


class ParaLSTMCell(Cell):
    """The ParaLSTM; the state is (h, c), the output h.

    Args:
        input_size: D.
        hidden_size: H.
        heads: K: each of K slices of x feeds one slice of h and c only; a divisor of D and H.
        clip: bound of |a| and |p|, as in `ParaGRUCell`; None: no bound.
        initial: how parameters begin: "paper", for language, or "released", as in the authors'
            code.
        activation: in the place of tanh, as of `ElmanCell`.
        gate_activation: in the place of σ.
        bias: whether there is b.
        device: of the parameters.
        dtype: of the parameters.

    Shapes: x (B, D); h, c and output (B, H); `recur` (3, H) holds a_f, a_g, a_o, `peepholes`
    (2, H) holds p_f, p_o.

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
        self.peepholes = nn.Parameter(torch.empty(2, hidden_size, device=device, dtype=dtype))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw B, a and p, and set b, as `initial` says."""
        begin(self.initial, 0, self.input, self.recur, self.peepholes)

    def initial_state(self, batch_size: int) -> tuple[Tensor, Tensor]:
        """Zeros: h and c (B, H)."""
        return self.zeros(batch_size, self.hidden_size), self.zeros(batch_size, self.hidden_size)

    def forward(
        self, x: Tensor, state: tuple[Tensor, Tensor]
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """One step: x (B, D), state (h, c)."""
        h, c = state
        x_f, x_g, x_o = self.input(x).chunk(3, -1)
        a_f, a_g, a_o = clipped(self.recur, self.clip).unbind()
        p_f, p_o = clipped(self.peepholes, self.clip).unbind()
        f = activate(self.gate_activation, x_f + a_f * h + p_f * c)
        g = activate(self.activation, x_g + a_g * h)
        c = f * c + (1 - f) * g
        o = activate(self.gate_activation, x_o + a_o * h + p_o * c)
        h = o * activate(self.activation, c)
        return h, (h, c)

    def extra_repr(self) -> str:
        """The options, for `print`."""
        return f"heads={self.heads}, clip={self.clip}"
