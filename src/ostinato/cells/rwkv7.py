"""RWKV-7: a matrix with a decay for each key, erased along one direction, written along another.

    (r, k, v) = W x_t
    g = −e^{−1/2} σ(w_0 + W_2 tanh(W_1 x_t)),   a = σ(a_0 + A_2 A_1 x_t)
    κ = k ⊙ k_κ / ‖k ⊙ k_κ‖,   k̃ = k ⊙ (1 + (a − 1) ⊙ k_a)
    S_t = (diag(e^g) − (a ⊙ κ) κᵀ) S_{t−1} + k̃ vᵀ
    y_t = S_tᵀ r + (r · (ρ ⊙ k̃)) v

In every head; e^g lies between 0.545 and 1. It begins with k_κ = k_a = 1, ρ = 0, and decays that
are slow in the first keys of a head and fast in the last.

Source: Peng et al. 2025, "RWKV-7 'Goose' with Expressive Dynamic State Evolution", arXiv
2503.14456.
Deviation: this is the recurrence of time mixing without the shift of tokens before it, the values
of the first layer in it, and the normalisation, gate and output map after it. S has keys for rows.
It begins as above, not by the paper's formulae for each layer. As two updates of a state that has
decayed already it erases κ ⊙ e^{−g}, which the bound of g keeps below 1.84, and then writes.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from ostinato.core.errors import ArgumentError
from ostinato.engines.chunk.delta_rule import unit
from ostinato.engines.chunk.matrix_cell import Factors, MatrixCell

_STRONGEST = math.exp(-0.5)


class RWKV7Cell(MatrixCell):
    """RWKV-7's recurrence; the state is S, the output y, heads end to end.

    Args:
        input_size: D.
        hidden_size: H = heads · V; K = V.
        heads: how many; a divisor of H.
        rank: of W_2 W_1 and of A_2 A_1.
        device: of the parameters.
        dtype: of the parameters.

    Shapes: x (B, D); state (B, heads, K, V); output (B, H); `input.weight` holds r, k and v.

    Raises:
        ArgumentError: if the heads do not divide H, or the rank is below 1.
    """

    chunks_from = (2048, 512)

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        heads: int = 1,
        rank: int = 16,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        if heads < 1 or hidden_size % heads or rank < 1:
            raise ArgumentError(
                f"heads must divide the hidden size {hidden_size} and rank be at least 1; got "
                f"heads={heads}, rank={rank}."
            )
        self.input_size, self.hidden_size, self.heads = input_size, hidden_size, heads
        self.key_size = self.value_size = hidden_size // heads
        self.input = nn.Linear(input_size, 3 * hidden_size, False, device, dtype)
        self.decay, self.rate = (
            nn.Sequential(
                nn.Linear(input_size, rank, False, device, dtype),
                between,
                nn.Linear(rank, hidden_size, True, device, dtype),
            )
            for between in (nn.Tanh(), nn.Identity())
        )
        self.erase_scale, self.write_scale, self.bonus = (
            nn.Parameter(torch.empty(heads, self.key_size, device=device, dtype=dtype))
            for _ in range(3)
        )
        self.reset_parameters()

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Begin with scales of 1, no bonus, and w_0 from −6 to 0 in every head."""
        nn.init.ones_(self.erase_scale)
        nn.init.ones_(self.write_scale)
        nn.init.zeros_(self.bonus)
        slow = self.decay[2].get_parameter("bias")
        slow.copy_(torch.linspace(-6, 0, self.key_size).repeat(self.heads))

    def factors(self, x: Tensor) -> Factors:
        """What inputs (rows, D) do to the state."""
        r, k, v = (self._in_heads(each) for each in self.input(x).chunk(3, -1))
        g = -_STRONGEST * torch.sigmoid(self._in_heads(self.decay(x)))
        a = torch.sigmoid(self._in_heads(self.rate(x)))
        erased = unit(k * self.erase_scale)
        k = k * (1 + (a - 1) * self.write_scale)
        skip = (r * self.bonus * k).sum(-1, keepdim=True) * v
        nothing = torch.zeros_like(v)
        return Factors(
            q=r,
            k=torch.stack([a * erased, k], -3),
            v=torch.stack([nothing, v], -3),
            g=g,
            erase=torch.stack([erased * torch.exp(-g), nothing], -3),
            skip=skip,
        )

    def _in_heads(self, values: Tensor) -> Tensor:
        return torch.unflatten(values, -1, (self.heads, -1))

    def extra_repr(self) -> str:
        """The options, for `print`."""
        return f"heads={self.heads}"
