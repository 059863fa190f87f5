"""The recurrence inside a DeltaProduct layer, behind its maps and convolutions.

    q = norm(SiLU(q)),  k_j = norm(SiLU(k_j)),  v_j = SiLU(v_j),  β_j = c σ(b_j)
    g = −e^{A_log} softplus(a + b_g)
    S ← e^g S_{t−1},   then   S ← S + β_j k_j (v_j − Sᵀ k_j)ᵀ   for j = 1 … n
    y_t = scale · S_tᵀ q

`DeltaProductCell` is the same with its own map of the input; here a convolution stands between
the maps and SiLU, so that q, k, v, b and a are what is read.

Source: Siems, Carstensen, Zela, Hutter, Pontil & Grazzi 2025, "DeltaProduct: Improving
State-Tracking in Linear RNNs via Householder Products", arXiv 2502.10297.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ostinato.cells.delta_product import first_gate
from ostinato.engines.chunk.delta_rule import unit
from ostinato.engines.chunk.matrix_cell import Factors, MatrixCell

__papers__ = ("deltaproduct",)


class DeltaProductUpdates(MatrixCell):
    """The recurrence on q, k, v, b and a; the state is S, the output y, heads end to end.

    Args:
        heads: H, of values.
        key_size: K, of each head.
        value_size: V, of each head.
        key_heads: how many heads have keys and queries of their own, a divisor of H; the values
            of H / key_heads heads next to one another share them.
        updates: n, corrections a step.
        negative_eigenvalues: c = 2; False: c = 1.
        gate: whether there is g.
        normalise: whether queries and keys are given length 1.
        scale: of the output; None: K^{−1/2}.
        chunk_size: as of every `MatrixCell`.
        device: of the parameters.
        dtype: of the parameters.

    Shapes: x (B, `input_size`) holds q, then k, v and b, each by update, then head, and a if there
    is a gate; state (B, H, K, V); output (B, H·V).
    """

    no_weight_decay: ClassVar[tuple[str, ...]] = ("A_log", "gate_bias")
    """What `parameter_groups` spares: rates and steps whose zero is as far as any number."""

    def __init__(
        self,
        heads: int,
        key_size: int,
        value_size: int,
        *,
        key_heads: int,
        updates: int = 2,
        negative_eigenvalues: bool = True,
        gate: bool = True,
        normalise: bool = True,
        scale: float | None = None,
        chunk_size: int | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.heads, self.key_size, self.value_size = heads, key_size, value_size
        self.key_heads, self.updates, self.normalise = key_heads, updates, normalise
        self.negative_eigenvalues, self.chunk_size = negative_eigenvalues, chunk_size
        self.scale = key_size**-0.5 if scale is None else scale
        keys = key_heads * key_size
        self.convolved = keys + updates * (keys + heads * value_size)
        self.rates = heads * (updates + int(gate))
        self.input_size, self.hidden_size = self.convolved + self.rates, heads * value_size
        # Without a parameter, this tells in which precision a new state is to be.
        like = torch.empty(0, device=device, dtype=dtype)
        self.register_buffer("like", like, persistent=False)
        self.A_log: nn.Parameter | None = None
        if gate:
            first = first_gate(heads)
            self.A_log, self.gate_bias = (nn.Parameter(x.to(like)) for x in first)

    def factors(self, x: Tensor) -> Factors:
        """What inputs (rows, D) do to the state."""
        keys, n = self.key_heads * self.key_size, self.updates
        sizes = [keys, n * keys, n * self.hidden_size, n * self.heads]
        sizes.append(self.rates - sizes[-1])
        q, k, v, b, a = torch.split(x, sizes, -1)
        q = self._for_values(torch.unflatten(q, -1, (self.key_heads, -1))) * self.scale
        k = self._for_values(torch.unflatten(k, -1, (n, self.key_heads, -1)))
        v = F.silu(torch.unflatten(v, -1, (n, self.heads, -1)))
        largest = 2.0 if self.negative_eigenvalues else 1.0
        beta = largest * torch.sigmoid(torch.unflatten(b, -1, (n, self.heads)))
        g = None
        if self.A_log is not None:
            g = (-torch.exp(self.A_log) * F.softplus(a + self.gate_bias))[..., None]
        return Factors(q, k, v, g, erase=k, beta=beta)

    def extra_repr(self) -> str:
        """The options, for `print`."""
        return f"heads={self.heads}, key_size={self.key_size}, updates={self.updates}"

    def _for_values(self, x: Tensor) -> Tensor:
        """Activated queries or keys (..., key_heads, K) as (..., H, K)."""
        x = unit(F.silu(x)) if self.normalise else F.silu(x)
        shared = self.heads // self.key_heads
        if shared == 1:
            return x
        return torch.stack([x] * shared, -2).flatten(-3, -2)
