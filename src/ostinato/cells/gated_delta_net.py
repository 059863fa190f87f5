"""Gated DeltaNet: the delta rule on a matrix of keys and values that decays.

    S_t = e^{g_t} S_{t−1} + β_t k_t (v_t − e^{g_t} S_{t−1}ᵀ k_t)ᵀ,   y_t = K^{−1/2} S_tᵀ q_t

q, k, v, β and the gate are those of DeltaProduct with one correction a step.

Source: Yang, Kautz & Hatamizadeh 2024, "Gated Delta Networks: Improving Mamba2 with Delta Rule",
arXiv 2412.06464.
Deviation: as in DeltaProduct.
"""

from __future__ import annotations

import torch

from ostinato.cells.delta_product import DeltaProductCell


class GatedDeltaNetCell(DeltaProductCell):
    """The recurrence of Gated DeltaNet; the state is S, the output y, heads end to end.

    Args:
        input_size: D.
        hidden_size: H = heads · V.
        heads: how many; a divisor of H.
        key_size: K, of each head; None: V.
        negative_eigenvalues: β up to 2; False: up to 1.
        device: of the parameters.
        dtype: of the parameters.

    Shapes: x (B, D); state (B, heads, K, V); output (B, H).

    Raises:
        ArgumentError: if the heads do not divide H, or a size is below 1.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        heads: int = 1,
        key_size: int | None = None,
        negative_eigenvalues: bool = False,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(
            input_size,
            hidden_size,
            heads=heads,
            key_size=key_size,
            updates=1,
            negative_eigenvalues=negative_eigenvalues,
            gate=True,
            device=device,
            dtype=dtype,
        )
