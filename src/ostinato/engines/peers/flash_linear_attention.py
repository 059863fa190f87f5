"""flash-linear-attention: states that are matrices of keys and values, in its Triton kernels.

Every `MatrixCell` says what it does to a matrix; `fla_scan` has the function for that.
"""

from __future__ import annotations

from ostinato.core.recurrence import Recurrence
from ostinato.core.registry import Doubt
from ostinato.engines.chunk.engine import Chunk
from ostinato.engines.peers.fla_scan import NAME
from ostinato.engines.peers.installed import RANK, elsewhere, missing


class FlashLinearAttention(Chunk):
    """Run a `MatrixCell` by the functions of `fla.ops`."""

    name = NAME
    summary = "the Triton kernels of that library, for matrix states"
    rank = RANK
    backend = NAME

    def decline(self, recurrence: Recurrence) -> str | None:
        """Why its kernels do not compute the recurrence, or None."""
        reason = missing("fla", NAME) or super().decline(recurrence)
        return reason or elsewhere(recurrence)

    def hesitate(self, recurrence: Recurrence) -> Doubt | None:
        """Never: `auto` does not come this far."""
        return None
