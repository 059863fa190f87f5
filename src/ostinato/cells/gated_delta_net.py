"""Gated DeltaNet: the delta rule on a matrix of keys and values that decays.

    S_t = e^{g_t} S_{t−1} + β_t k_t (v_t − e^{g_t} S_{t−1}ᵀ k_t)ᵀ,   y_t = K^{−1/2} S_tᵀ q_t

q, k, v, β and the gate are those of DeltaProduct with one correction a step.

Source: Yang, Kautz & Hatamizadeh 2024, "Gated Delta Networks: Improving Mamba2 with Delta Rule",
arXiv 2412.06464.
Deviation: as in DeltaProduct.
"""

from __future__ import annotations

from ostinato.cells.delta_net import DeltaNetCell


class GatedDeltaNetCell(DeltaNetCell):
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

    gated = True
