"""sLSTM: an LSTM with an exponential input gate, a normaliser, and a stabiliser.

    î, f̂, ẑ, ô = W x_t + R h_{t−1} + b
    ℓ   = log σ(f̂) + m_{t−1}
    m_t = î if n_{t−1} = 0 else max(î, ℓ)
    i, f = exp(î − m_t), exp(ℓ − m_t)
    c_t = f ⊙ c_{t−1} + i ⊙ tanh(ẑ)
    n_t = max(f ⊙ n_{t−1} + i, 1)
    h_t = σ(ô) ⊙ c_t / n_t

R is block-diagonal: each of K heads sees its own units only. Without m this is C = σ(f̂) C + e^î z,
N = σ(f̂) N + e^î, h = o C / N, which overflows; m only scales c and n, so that both exponentials
stay at 1 or below, and n at 1 or above.

Source: Beck, Pöppel, Spanring, Auer, Prudnikova, Kopp, Klambauer, Brandstetter & Hochreiter 2024,
"xLSTM: Extended Long Short-Term Memory", arXiv 2405.04517; the form of Pöppel, Beck & Hochreiter
2025, "FlashRNN", arXiv 2412.07752. The gates stand in the order i, f, z, o.
Deviation: the gradient is that of the equations, through m too, where the papers take it as zero;
for losses on h it is the same, since h does not depend on m. The first step is told for each
unit by itself.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ostinato.cells.block_linear import BlockLinear
from ostinato.core.cell import Cell, Native
from ostinato.core.errors import ArgumentError

__papers__ = ("flashrnn",)

State = tuple[Tensor, Tensor, Tensor, Tensor]


class SLSTMCell(Cell):
    """The sLSTM; the output is h, the state (h, c, n, m).

    Args:
        input_size: D.
        hidden_size: H.
        heads: K: R is block-diagonal, so that each of K slices of h sees itself only.
        depth: where the layer stands in its stack, from 0, the first, to 1, the last: the later
            it is, the more of its units begin with a long memory.
        bias: whether there is b.
        device: of the parameters.
        dtype: of the parameters.

    Shapes: x (B, D); output and each leaf of the state (B, H).

    Raises:
        ArgumentError: if H cannot be divided by the heads, or `depth` is not in [0, 1].
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        heads: int = 1,
        depth: float = 0.0,
        bias: bool = True,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        if not 0 <= depth <= 1:
            raise ArgumentError(f"depth lies between 0 and 1, first and last layer; got {depth}.")
        self.input_size, self.hidden_size = input_size, hidden_size
        self.heads, self.depth = heads, depth
        self.input = nn.Linear(input_size, 4 * hidden_size, bias, device, dtype)
        self.recur = BlockLinear(
            hidden_size, hidden_size, heads, 4, bias=False, device=device, dtype=dtype
        )
        self.reset_parameters()

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """R = 0, b = 0 but b_f[j] = 5 − 12 (j / (d − 1))^(0.3 + 1.3 depth) in each head."""
        self.input.reset_parameters()
        nn.init.zeros_(self.recur.weight)
        if isinstance(self.input.bias, Tensor):
            nn.init.zeros_(self.input.bias)
            forget = self.input.bias.view(4, self.heads, -1)[1]
            place = torch.linspace(0, 1, forget.shape[-1]).to(forget)
            forget.copy_(5 - 12 * place ** (0.3 + 1.3 * self.depth))

    def initial_state(self, batch_size: int) -> State:
        """Zeros (B, H): h, c, n, m."""
        zeros = self.zeros(batch_size, self.hidden_size)
        return zeros, zeros, zeros, zeros

    def forward(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """One step: x (B, D), state (h, c, n, m)."""
        h, c, n, m = state
        i, f, z, o = (self.input(x) + self.recur(h)).chunk(4, -1)
        kept = F.logsigmoid(f) + m
        # Not `maximum`: at a tie it would halve the gradient; `clamp` below does not.
        m = torch.where((n == 0) | (i > kept), i, kept)
        # Below 1 but in the first step, where what it scales is zero.
        decay, entering = torch.exp((kept - m).clamp(max=0)), torch.exp(i - m)
        c = decay * c + entering * torch.tanh(z)
        n = (decay * n + entering).clamp(min=1)
        h = torch.sigmoid(o) * c / n
        return h, (h, c, n, m)

    def native(self) -> Native | str:
        """That of FlashRNN."""
        return Native.of_linears("slstm", self.input, self.recur)

    def extra_repr(self) -> str:
        """The options, for `print`."""
        return f"heads={self.heads}, depth={self.depth}"
