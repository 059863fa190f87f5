"""Gated linear attention: in every head a matrix of keys and values that decays key by key.

    (q_t, k_t, v_t) = W x_t,   α_t = σ(W_2 W_1 x_t + b)^{1/τ}          q, k, α (K), v (V)
    S_t = diag(α_t) S_{t−1} + k_t v_tᵀ
    y_t = K^{−1/2} S_tᵀ q_t

Source: Yang, Wang, Shen, Panda & Kim 2023, "Gated Linear Attention Transformers with
Hardware-Efficient Training", arXiv 2312.06635.
Deviation: the output is that of the recurrence; normalisation, output gate and output map of the
paper's layer stand outside. The paper scales neither q nor S; K^{−1/2}, as in its code, only
changes what the map after it would have to learn.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ostinato.core.errors import ArgumentError
from ostinato.engines.chunk.matrix_cell import Factors, MatrixCell


class GatedLinearAttentionCell(MatrixCell):
    """The recurrence of GLA; the state is S, the output y, heads end to end.

    Args:
        input_size: D.
        hidden_size: H = heads · V.
        heads: how many; a divisor of H. The paper takes 4.
        key_size: K, of each head; None: V/2, rounded up, as in the paper.
        rank: of W_2 W_1.
        temperature: τ; the larger, the slower the decay.
        device: of the parameters.
        dtype: of the parameters.

    Shapes: x (B, D); state (B, heads, K, V); output (B, H); `input.weight` holds q, k and v.

    Raises:
        ArgumentError: if the heads do not divide H, or an option is not positive.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        heads: int = 1,
        key_size: int | None = None,
        rank: int = 16,
        temperature: float = 16.0,
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
        self.key_size = max(1, -(-self.value_size // 2)) if key_size is None else key_size
        self.temperature = temperature
        if min(self.key_size, rank) < 1 or not temperature > 0:
            raise ArgumentError(
                "key_size and rank must be at least 1 and the temperature positive; got "
                f"key_size={key_size}, rank={rank}, temperature={temperature}."
            )
        keys = heads * self.key_size
        self.input = nn.Linear(input_size, 2 * keys + hidden_size, False, device, dtype)
        self.gate = nn.Sequential(
            nn.Linear(input_size, rank, False, device, dtype),
            nn.Linear(rank, keys, True, device, dtype),
        )

    def factors(self, x: Tensor) -> Factors:
        """What inputs (rows, D) do to the state."""
        keys = self.heads * self.key_size
        q, k, v = self.input(x).split([keys, keys, self.hidden_size], -1)
        log_decay = F.logsigmoid(self.gate(x)) / self.temperature
        q, k, log_decay = (self._in_heads(each, self.key_size) for each in (q, k, log_decay))
        v, q = self._in_heads(v, self.value_size), self.key_size**-0.5 * q
        return Factors(q, k[..., None, :, :], v[..., None, :, :], log_decay)

    def _in_heads(self, values: Tensor, size: int) -> Tensor:
        """(..., heads·size) as (..., heads, size)."""
        return values.view(*values.shape[:-1], self.heads, size)

    def extra_repr(self) -> str:
        """The options, for `print`."""
        return f"heads={self.heads}, key_size={self.key_size}, temperature={self.temperature}"
