"""`delta_rule`: a matrix that is corrected towards the value it should give for each key."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ostinato.engines.chunk.matrix_scan import matrix_scan

__papers__ = ("deltaproduct",)


def delta_rule(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    g: Tensor | None = None,
    beta: Tensor | None = None,
    scale: float | None = None,
    initial_state: Tensor | None = None,
    output_final_state: bool = False,
    cu_seqlens: Tensor | None = None,
    chunk_size: int | None = None,
    backend: str | None = None,
    *,
    use_qk_l2norm_in_kernel: bool = False,
    read: str = "inclusive",
    reverse: bool = False,
    output_states: bool = False,
) -> tuple[Any, ...]:
    """The delta rule, plain, gated, and with several corrections a step.

        S ← e^{g_t} S
        S ← S + β_{t,j} k_{t,j} (v_{t,j} − Sᵀ k_{t,j})ᵀ    for j = 1 … n
        o_t = scale · Sᵀ q_t

    n = 1 is DeltaNet, with g Gated DeltaNet; n > 1 DeltaProduct and Gated DeltaProduct. Keys should
    have length 1; β up to 2 gives eigenvalues down to −1. Arguments are called as in
    flash-linear-attention, whose functions it stands for.

        o, state = ost.delta_rule(q, k, v, beta=beta, output_final_state=True)

    Sources: Yang et al. 2024, arXiv 2406.06484 and 2412.06464; Siems et al. 2025, arXiv 2502.10297.
    Deviation: q is scaled for every n; in the papers' code only the fast form does it.

    Args:
        q: queries (B, T, H, K).
        k: keys (B, T·n, H, K), the n of a step next to one another.
        v: values (B, T·n, H, V).
        g: logarithm of the decay, (B, T, H), or (B, T, H, K) for each key; None: no decay.
        beta: β (B, T·n, H); None: 1.
        scale: None: K^{−1/2}.
        initial_state: as in `matrix_scan`.
        output_final_state: as in `matrix_scan`.
        cu_seqlens: as in `matrix_scan`, counted in steps, not in corrections.
        chunk_size: as in `matrix_scan`.
        backend: as in `matrix_scan`.
        use_qk_l2norm_in_kernel: give queries and keys length 1 first, in at least float32.
        read: as in `matrix_scan`.
        reverse: as in `matrix_scan`.
        output_states: as in `matrix_scan`.

    Returns:
        As `matrix_scan`.

    Raises:
        ShapeError: if shapes do not fit together.
        ArgumentError: as `matrix_scan`.
        MissingExtraError: as `matrix_scan`.
    """
    if use_qk_l2norm_in_kernel:
        q, k = (unit(x.to(torch.promote_types(x.dtype, torch.float32))) for x in (q, k))
    state = initial_state, output_final_state
    options: dict[str, Any] = {"read": read, "reverse": reverse, "output_states": output_states}
    return matrix_scan(
        q, k, v, g, k, beta, scale, *state, cu_seqlens, chunk_size, backend, **options
    )


def unit(x: Tensor) -> Tensor:
    """Vectors (..., K) of length 1; zero stays zero."""
    return x * torch.rsqrt((x * x).sum(-1, keepdim=True) + 1e-6)
