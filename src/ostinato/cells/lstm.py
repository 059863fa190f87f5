"""Long short-term memory and its classical variants.

    i_t = σ(W_i x_t + U_i h_{t−1} + p_i ⊙ c_{t−1} + b_i)      f_t alike
    g_t = tanh(W_g x_t + U_g h_{t−1} + b_g)
    c_t = f_t ⊙ c_{t−1} + i_t ⊙ g_t
    o_t = σ(W_o x_t + U_o h_{t−1} + p_o ⊙ c_t + b_o)
    h_t = P (o_t ⊙ tanh(c_t))

Without peepholes p = 0; without projection P = I; without forget gate f = 1 (the form of
1997); with coupled gates i = 1 − f.

Source: Hochreiter & Schmidhuber 1997, Neural Computation 9(8); forget gate: Gers, Schmidhuber
& Cummins 2000; peepholes: Gers & Schmidhuber 2000; projection: Sak, Senior & Beaufays 2014,
arXiv 1402.1128; coupled gates: Greff et al. 2015, arXiv 1503.04069; U in heads: Pöppel, Beck &
Hochreiter 2025, "FlashRNN", arXiv 2412.07752.
Deviation: the 1997 paper squashes g to (−2, 2) and the read-out to (−1, 1) by scaled logistic
functions and cuts gradients at the gates; here both are tanh and nothing is cut.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ostinato.cells.block_linear import stacked_linear
from ostinato.cells.initialise import uniform
from ostinato.core.cell import Cell, Native
from ostinato.core.errors import ArgumentError

__papers__ = ("flashrnn", "rnn-survey")


class LSTMCell(Cell):
    """The LSTM; the state is (h, c), the output h.

    Args:
        input_size: D.
        hidden_size: H, the size of c.
        heads: K: U is block-diagonal, so that each of K slices sees its own slice of h only.
        bias: whether there is b.
        recurrent_bias: whether there is a second bias with U, as torch.nn has it.
        forget_gate: False: f = 1.
        coupled: i = 1 − f; saves a gate.
        peepholes: diagonal connections from c to the gates.
        forget_bias: what b_f begins at; None: random as the other biases.
        projection: size R of h = P (o ⊙ tanh c); 0: no projection, h has size H.
        device: of the parameters.
        dtype: of the parameters.

    Shapes: x (B, D); h and output (B, R or H); c (B, H). Gates stand in the order i, f, g, o
    along the rows of the matrices; absent ones are left out.

    Raises:
        ArgumentError: if options exclude one another, or the heads do not divide H and R.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        heads: int = 1,
        bias: bool = True,
        recurrent_bias: bool = False,
        forget_gate: bool = True,
        coupled: bool = False,
        peepholes: bool = False,
        forget_bias: float | None = None,
        projection: int = 0,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        if coupled and not forget_gate:
            raise ArgumentError("coupled=True means i = 1 − f and so needs forget_gate=True.")
        if forget_bias is not None and not (bias and forget_gate):
            raise ArgumentError("forget_bias needs bias=True and forget_gate=True.")
        self.input_size, self.hidden_size, self.projection = input_size, hidden_size, projection
        self.coupled, self.forget_bias = coupled, forget_bias
        self.gates = "".join(
            gate
            for gate, present in zip("ifgo", (not coupled, forget_gate, True, True), strict=True)
            if present
        )
        size = len(self.gates) * hidden_size
        self.input = nn.Linear(input_size, size, bias, device, dtype)
        self.heads = heads
        self.recur = stacked_linear(
            projection or hidden_size,
            hidden_size,
            heads,
            len(self.gates),
            recurrent_bias,
            device,
            dtype,
        )
        self.readout: nn.Module = nn.Identity()
        self.project = (
            nn.Linear(hidden_size, projection, False, device, dtype) if projection else None
        )
        self.peepholes = (
            nn.ParameterDict(
                {
                    gate: torch.empty(hidden_size, device=device, dtype=dtype)
                    for gate in self.gates
                    if gate != "g"
                }
            )
            if peepholes
            else None
        )
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw all parameters from U(−√(K/H), √(K/H)), then set the forget gate's bias."""
        uniform(self, self.hidden_size // self.heads)
        if self.forget_bias is None:
            return
        at = self.gates.index("f") * self.hidden_size
        with torch.no_grad():
            self.input.bias[at : at + self.hidden_size] = self.forget_bias
            if self.recur.bias is not None:
                self.recur.bias[at : at + self.hidden_size] = 0

    def initial_state(self, batch_size: int) -> tuple[Tensor, Tensor]:
        """Zeros: h (B, R or H), c (B, H)."""
        h = self.zeros(batch_size, self.projection or self.hidden_size)
        return h, self.zeros(batch_size, self.hidden_size)

    def forward(
        self, x: Tensor, state: tuple[Tensor, Tensor]
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """One step: x (B, D), state (h, c)."""
        h, c = state
        parts = (self.input(x) + self.recur(h)).chunk(len(self.gates), -1)
        pre = dict(zip(self.gates, parts, strict=True))
        f = torch.sigmoid(self._peep("f", pre["f"], c)) if "f" in pre else None
        i = torch.sigmoid(self._peep("i", pre["i"], c)) if f is None or "i" in pre else 1 - f
        c = (c if f is None else f * c) + i * torch.tanh(pre["g"])
        o = torch.sigmoid(self._peep("o", pre["o"], c))
        h = o * torch.tanh(self.readout(c))
        if self.project is not None:
            h = self.project(h)
        return h, (h, c)

    def native(self) -> Native | str:
        """torch.lstm, for the gates i, f, g, o without peepholes."""
        if self.gates != "ifgo":
            return f"torch's LSTM has the gates i, f, g, o; this cell has {', '.join(self.gates)}"
        if self.peepholes is not None:
            return "torch's LSTM has no peepholes"
        if type(self.readout) is not nn.Identity:
            return "torch's LSTM has no normalisation of the cell before its read-out"
        return Native.of_linears("lstm", self.input, self.recur, self.project)

    def _peep(self, gate: str, pre: Tensor, c: Tensor) -> Tensor:
        return pre if self.peepholes is None else pre + self.peepholes[gate] * c
