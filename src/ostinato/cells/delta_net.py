"""DeltaNet: a matrix of keys and values, corrected by the delta rule at every step.

    S_t = S_{t−1} + β_t k_t (v_t − S_{t−1}ᵀ k_t)ᵀ,   y_t = K^{−1/2} S_tᵀ q_t

q, k, v and β are those of DeltaProduct with one correction a step.

Source: Yang, Wang, Zhang, Shen & Kim 2024, "Parallelizing Linear Transformers with the Delta Rule
over Sequence Length", arXiv 2406.06484; the rule of Schlag, Irie & Schmidhuber 2021, arXiv
2102.11174; β up to 2 is that of Grazzi et al. 2024, arXiv 2411.12537.
Deviation: as in DeltaProduct.
"""

from __future__ import annotations

import torch

from ostinato.cells.delta_product import DeltaProductCell


class DeltaNetCell(DeltaProductCell):
    """The recurrence of DeltaNet; the state is S, the output y, heads end to end.

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
            device=device,
            dtype=dtype,
        )
