"""DeltaProduct: several corrections of a matrix of keys and values at every step.

    (q, k_1 … k_n, v_1 … v_n, b) = W x_t
    q = norm(SiLU(q)),  k_j = norm(SiLU(k_j)),  v_j = SiLU(v_j),  β_j = c σ(b_j)
    S ← e^{g_t} S_{t−1},   then   S ← S + β_j k_j (v_j − Sᵀ k_j)ᵀ   for j = 1 … n
    y_t = K^{−1/2} S_tᵀ q_t

norm(x) = x / √(‖x‖² + 10⁻⁶). The transition is a product of n generalised Householder factors
I − β_j k_j k_jᵀ of norm at most 1; c = 2 lets their eigenvalues reach −1, so that they reflect, and
two of them rotate. Here g = 0; in Gated DeltaProduct, for each head,

    g_t = −e^{A_log} softplus(W_g x_t + b_g)

which begins with e^{A_log} uniform in [0, 16] and steps softplus(b_g) log-uniform in [0.001, 0.1].

Source: Siems, Carstensen, Zela, Hutter, Pontil & Grazzi 2025, "DeltaProduct: Improving
State-Tracking in Linear RNNs via Householder Products", arXiv 2502.10297.
Deviation: the output is that of the recurrence; convolutions before it, normalisation, output gate
and output map after it stand outside, in `models.time.delta_product_layer`.
"""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ostinato.core.errors import ArgumentError
from ostinato.engines.chunk.delta_rule import unit
from ostinato.engines.chunk.matrix_cell import Factors, MatrixCell

__papers__ = ("deltaproduct",)

# Of the gate as it begins: the largest rate, and the range of steps.
_RATE, _STEPS = 16.0, (1e-3, 1e-1)


class DeltaProductCell(MatrixCell):
    """The recurrence of DeltaProduct; the state is S, the output y, heads end to end.

    Args:
        input_size: D.
        hidden_size: H = heads · V.
        heads: how many; a divisor of H.
        key_size: K, of each head; None: V.
        updates: n, corrections a step.
        negative_eigenvalues: c = 2; False: c = 1.
        device: of the parameters.
        dtype: of the parameters.

    Shapes: x (B, D); state (B, heads, K, V); output (B, H); `input.weight` holds q, then k, v and
    b, each by update, then head.

    Raises:
        ArgumentError: if the heads do not divide H, or a size is below 1.
    """

    gated: ClassVar[bool] = False
    """Whether there is g."""

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        heads: int = 1,
        key_size: int | None = None,
        updates: int = 2,
        negative_eigenvalues: bool = True,
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
        self.updates, self.negative_eigenvalues = updates, negative_eigenvalues
        if min(self.key_size, updates) < 1:
            raise ArgumentError(
                f"key_size and updates must be at least 1; got {self.key_size} and {updates}."
            )
        keys = heads * self.key_size
        outputs = keys + updates * (keys + hidden_size + heads)
        self.input = nn.Linear(input_size, outputs, False, device, dtype)
        self.gate = nn.Linear(input_size, heads, True, device, dtype) if self.gated else None
        if self.gated:
            self.A_log = nn.Parameter(torch.empty(heads, device=device, dtype=dtype))
            self.reset_gate()

    @torch.no_grad()
    def reset_gate(self) -> None:
        """Begin with rates and steps as above."""
        assert self.gate is not None
        for parameter, value in zip(
            (self.A_log, self.gate.bias), first_gate(self.heads), strict=True
        ):
            parameter.copy_(value)

    def factors(self, x: Tensor) -> Factors:
        """What inputs (rows, D) do to the state."""
        keys, n = self.heads * self.key_size, self.updates
        sizes = [keys, n * keys, n * self.hidden_size, n * self.heads]
        q, k, v, b = self.input(x).split(sizes, -1)
        q = unit(F.silu(torch.unflatten(q, -1, (self.heads, -1)))) * self.key_size**-0.5
        k = unit(F.silu(torch.unflatten(k, -1, (n, self.heads, -1))))
        v = F.silu(torch.unflatten(v, -1, (n, self.heads, -1)))
        largest = 2.0 if self.negative_eigenvalues else 1.0
        beta = largest * torch.sigmoid(torch.unflatten(b, -1, (n, self.heads)))
        g = None
        if self.gate is not None:
            g = (-torch.exp(self.A_log) * F.softplus(self.gate(x)))[..., None]
        return Factors(q, k, v, g, erase=k, beta=beta)

    def extra_repr(self) -> str:
        """The options, for `print`."""
        return f"heads={self.heads}, key_size={self.key_size}, updates={self.updates}"


def first_gate(heads: int) -> tuple[Tensor, Tensor]:
    """A_log and b_g (heads,) as a gate begins, drawn anew."""
    rates = _RATE * torch.rand(heads).clamp(min=1e-4)
    low, high = map(math.log, _STEPS)
    steps = torch.exp(low + (high - low) * torch.rand(heads, dtype=torch.float64))
    return torch.log(rates), steps + torch.log(-torch.expm1(-steps))
