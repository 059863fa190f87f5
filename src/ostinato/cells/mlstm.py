"""mLSTM: a matrix memory with an exponential input gate, a normaliser, and a stabiliser.

    (q, k, v, ô) = W x_t,   (î, f̂) = W_g x_t + b_g             k scaled by K^{−1/2}; î, f̂ by head
    ℓ   = log σ(f̂) + m_{t−1},   m_t = max(ℓ, î),   i, f = exp(î − m_t), exp(ℓ − m_t)
    C_t = f C_{t−1} + i k vᵀ,   n_t = f n_{t−1} + i k
    h_t = σ(ô) ⊙ C_tᵀ q / max(|n_tᵀ q|, e^{−m_t})

Without m this is C = σ(f̂) C + e^î k vᵀ and h = Cᵀ q / max(|nᵀ q|, 1), which overflows; m only
scales C and n, so that their exponents are never positive. For all steps together m is a scan of
its own, and n a further column of C.

Source: Beck, Pöppel, Spanring, Auer, Prudnikova, Kopp, Klambauer, Brandstetter & Hochreiter 2024,
"xLSTM: Extended Long Short-Term Memory", arXiv 2405.04517. W_g begins with zeros, b_f from 3 to 6
over the heads, b_i small and random, as in its code.
Deviation: the gradient is that of the equations, through m too; for losses on h it is the same,
since h does not depend on m. Convolutions and normalisation around it stand outside.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ostinato.core.errors import ArgumentError
from ostinato.core.state import map_state, rows_like
from ostinato.engines.chunk.matrix_cell import MatrixCell
from ostinato.engines.chunk.matrix_scan import matrix_scan
from ostinato.engines.parallel.associative import associative_scan

State = tuple[Tensor, Tensor, Tensor]


class MLSTMCell(MatrixCell):
    """The mLSTM; the output is h, heads end to end, the state (C, n, m).

    Args:
        input_size: D.
        hidden_size: H = heads · V.
        heads: how many; a divisor of H.
        key_size: K, of each head; None: V.
        device: of the parameters.
        dtype: of the parameters.

    Shapes: x (B, D); state (B, heads, K, V), (B, heads, K), (B, heads); output (B, H).

    Raises:
        ArgumentError: if the heads do not divide H, or K is below 1.
    """

    # The stabiliser is a scan of its own, the normaliser a column beyond a whole register.
    chunks_from = (128 * 128, 32 * 32)

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        heads: int = 1,
        key_size: int | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        if heads < 1 or hidden_size % heads:
            raise ArgumentError(
                f"heads must divide the hidden size {hidden_size}; got heads={heads}."
            )
        self.input_size, self.hidden_size, self.heads = input_size, hidden_size, heads
        self.value_size = hidden_size // heads
        self.key_size = self.value_size if key_size is None else key_size
        if self.key_size < 1:
            raise ArgumentError(f"key_size must be at least 1; got {self.key_size}.")
        outputs = 2 * heads * self.key_size + 2 * hidden_size
        self.input = nn.Linear(input_size, outputs, False, device, dtype)
        self.gates = nn.Linear(input_size, 2 * heads, True, device, dtype)
        self.reset_gates()

    @torch.no_grad()
    def reset_gates(self) -> None:
        """Begin with gates that do not depend on x: b_f from 3 to 6, b_i from N(0, 0.1)."""
        nn.init.zeros_(self.gates.weight)
        entering, forget = self.gates.bias.chunk(2)
        nn.init.normal_(entering, std=0.1)
        forget.copy_(torch.linspace(3, 6, self.heads))

    def initial_state(self, batch_size: int) -> State:
        """Zeros: C, n, m."""
        keys = self.zeros(batch_size, self.heads, self.key_size)
        values = self.zeros(batch_size, self.heads, self.key_size, self.value_size)
        return values, keys, keys[..., 0]

    def forward(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """One step: x (B, D), state (C, n, m)."""
        c, n, m = state
        q, k, v, gate, entering, kept = self._parts(x)
        kept = kept + m
        m = torch.where(entering > kept, entering, kept)
        decay, k = torch.exp(kept - m)[..., None], torch.exp(entering - m)[..., None] * k
        c = decay[..., None] * c + k[..., None] * v[..., None, :]
        n = decay * n + k
        h = (q[..., None] * c).sum(-2) / _size((q * n).sum(-1), m)[..., None]
        return (gate * h).flatten(-2), (c, n, m)

    def all_steps(
        self, x: Tensor, valid: Tensor | None, state: State, backend: str | None = None
    ) -> tuple[Tensor, State]:
        """All steps together, as `MatrixCell.all_steps`."""
        stored, wide = state[0].dtype, torch.promote_types(state[0].dtype, torch.float32)
        c, n, start = map_state(lambda leaf: leaf.to(wide), state)
        parts = self._parts(x)
        read = torch.promote_types(parts[0].dtype, stored)
        q, k, v, gate, entering, kept = (each.to(wide) for each in parts)
        if valid is not None:
            padding = ~rows_like(valid, kept)
            entering = entering.masked_fill(padding, -torch.inf)
            kept = kept.masked_fill(padding, 0)
        m = _stabiliser(entering, kept, start)
        # Any m will do, but C and n must be scaled by the very one that is kept beside them.
        m = m + (m.to(stored).to(wide) - m).detach()
        before = torch.cat([start[:, None], m[:, :-1]], 1)
        k = torch.exp(entering - m)[..., None] * k
        values = torch.cat([v, torch.ones_like(v[..., :1])], -1)
        memory = torch.cat([c, n[..., None]], -1)
        g = kept + before - m
        o, last = matrix_scan(q, k, values, g, None, None, 1.0, memory, True, backend=backend)
        assert last is not None
        h = gate * o[..., :-1] / _size(o[..., -1], m)[..., None]
        return h.flatten(-2).to(read), (last[..., :-1], last[..., -1], m[:, -1])

    def _parts(self, x: Tensor) -> list[Tensor]:
        """q, k, v and σ(ô) (..., heads, ·); î and log σ(f̂) (..., heads)."""
        keys, hidden = self.heads * self.key_size, self.hidden_size
        parts = self.input(x).split([keys, keys, hidden, hidden], -1)
        q, k, v, gate = (torch.unflatten(each, -1, (self.heads, -1)) for each in parts)
        entering, forget = self.gates(x).chunk(2, -1)
        k = self.key_size**-0.5 * k
        return [q, k, v, torch.sigmoid(gate), entering, F.logsigmoid(forget)]

    def extra_repr(self) -> str:
        """The options, for `print`."""
        return f"heads={self.heads}, key_size={self.key_size}"


def _size(product: Tensor, m: Tensor) -> Tensor:
    """max(|nᵀ q|, e^{−m})."""
    # From e^60 on h is zero, and its gradient must not become 0 · ∞.
    size, least = product.abs(), torch.exp(-m.clamp(min=-60))
    return torch.where(size > least, size, least)


def _stabiliser(entering: Tensor, kept: Tensor, start: Tensor) -> Tensor:
    """m_t = max(log f_t + m_{t−1}, î_t), (B, T, heads)."""

    def join(earlier: tuple[Tensor, Tensor], later: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        return earlier[0] + later[0], torch.maximum(earlier[1] + later[0], later[1])

    total, largest = associative_scan(join, (kept, entering), dim=1)
    return torch.maximum(total + start[:, None], largest)
