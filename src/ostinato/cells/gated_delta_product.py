"""Gated DeltaProduct: several corrections at every step of a matrix that decays.

    S ← e^{g_t} S_{t−1},   then   S ← S + β_j k_j (v_j − Sᵀ k_j)ᵀ   for j = 1 … n

Source: Siems, Carstensen, Zela, Hutter, Pontil & Grazzi 2025, "DeltaProduct: Improving
State-Tracking in Linear RNNs via Householder Products", arXiv 2502.10297.
Deviation: as in DeltaProduct, of which this is the cell with a gate.
"""

from __future__ import annotations

from ostinato.cells.delta_product import DeltaProductCell

__papers__ = ("deltaproduct",)


class GatedDeltaProductCell(DeltaProductCell):
    """DeltaProduct with a gate; the state is S, the output y, heads end to end.

    Args:
        input_size: D.
        hidden_size: H = heads · V.
        heads: how many; a divisor of H.
        key_size: K, of each head; None: V.
        updates: n, corrections a step.
        negative_eigenvalues: β up to 2; False: up to 1.
        device: of the parameters.
        dtype: of the parameters.

    Shapes: x (B, D); state (B, heads, K, V); output (B, H).

    Raises:
        ArgumentError: if the heads do not divide H, or a size is below 1.
    """

    gated = True
