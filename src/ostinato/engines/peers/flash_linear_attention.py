"""flash-linear-attention: states that are matrices of keys and values, in its Triton kernels.

    S_t = diag(α_t) S_{t−1} + k_t v_tᵀ,   y_t = K^{−1/2} S_tᵀ q_t

A cell says through `gated_linear_attention` that these are its equations. The kernels go through
time in chunks, and take q, k, log α as (B, T, heads, K), v and y as (B, T, heads, V).
"""

from __future__ import annotations

from importlib import import_module
from typing import Any, Protocol, runtime_checkable

from torch import Tensor

from ostinato.core.recurrence import Recurrence
from ostinato.core.registry import Doubt
from ostinato.core.state import State
from ostinato.engines.peers.installed import RANK, missing, unfit


@runtime_checkable
class LinearAttention(Protocol):
    """A cell of the equations above; its state is S (B, heads, K, V), its output all y_t."""

    def gated_linear_attention(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """q, k, v and log α (..., heads, K or V) of inputs (..., D)."""


class FlashLinearAttention:
    """Evaluate gated linear attention by `fla.ops.gla.chunk_gla`."""

    name = "flash-linear-attention"
    summary = "the Triton kernels of that library, for gated linear attention"
    rank = RANK

    def decline(self, recurrence: Recurrence) -> str | None:
        """Why its kernels do not compute the recurrence, or None."""
        reason = missing("fla", "flash-linear-attention") or unfit(recurrence)
        if reason is None and not isinstance(recurrence.cell, LinearAttention):
            reason = "the step is no cell of gated linear attention"
        return reason

    def hesitate(self, recurrence: Recurrence) -> Doubt | None:
        """Never: `auto` does not come this far."""
        return None

    def run(self, recurrence: Recurrence) -> tuple[State, Any]:
        """The last carry and the outputs (T, B, H)."""
        cell: Any = recurrence.cell
        x = recurrence.xs.flip(0) if recurrence.reverse else recurrence.xs
        q, k, v, log_decay = cell.gated_linear_attention(x.transpose(0, 1))
        y, state = import_module("fla.ops.gla").chunk_gla(
            q=q,
            k=k,
            v=v,
            g=log_decay,
            scale=q.shape[-1] ** -0.5,
            initial_state=recurrence.init,
            output_final_state=True,
        )
        y = y.flatten(-2).transpose(0, 1)
        return state, y.flip(0) if recurrence.reverse else y
