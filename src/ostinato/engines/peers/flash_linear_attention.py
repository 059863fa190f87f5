"""flash-linear-attention: states that are matrices of keys and values, in its Triton kernels.

Every `MatrixCell` says what it does to a matrix; `fla_scan` has the function for that.
"""

from __future__ import annotations

import torch

from ostinato.core.recurrence import Recurrence
from ostinato.core.registry import Doubt
from ostinato.core.state import leaves
from ostinato.engines.chunk.engine import Chunk
from ostinato.engines.peers.fla_scan import NAME
from ostinato.engines.peers.installed import RANK, missing, off_device


class FlashLinearAttention(Chunk):
    """Run a `MatrixCell` by the functions of `fla.ops`."""

    name = NAME
    summary = "the Triton kernels of that library, for matrix states"
    rank = RANK
    backend = NAME

    def decline(self, recurrence: Recurrence) -> str | None:
        """Why its kernels do not compute the recurrence, or None."""
        reason = missing("fla", NAME) or super().decline(recurrence)
        if reason is None and leaves(recurrence.init)[0].dtype == torch.float64:
            reason = "its kernels compute in float32 or less"
        return reason or off_device(recurrence)

    def hesitate(self, recurrence: Recurrence) -> Doubt | None:
        """Never: `auto` does not come this far."""
        return None
