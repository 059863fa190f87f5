"""Name the symbol that comes some steps later: what only a net that reads backwards can do.

The mirror image of `delay_copy`, y_t = x_{t+delay}; after M. Schuster, K. K. Paliwal: Bidirectional
recurrent neural networks, IEEE Transactions on Signal Processing 45, 1997.
"""

from __future__ import annotations

from dataclasses import replace

import torch

from ostinato.tasks.delay_copy import DelayCopyTask
from ostinato.tasks.task import Batch


class LookAheadTask(DelayCopyTask):
    """Name the symbol of `delay` steps later; the options are those of `DelayCopyTask`.

    Trivial score: guessing gives an accuracy of 1/classes, also for a net that has read all that
    came before.
    """

    name = "look_ahead"

    def draw(self, generator: torch.Generator, batch_size: int) -> Batch:
        """Inputs, targets and weights (B, T)."""
        batch = super().draw(generator, batch_size)
        assert batch.weights is not None
        return replace(
            batch,
            inputs=batch.inputs.flip(1),
            targets=batch.targets.flip(1),
            weights=batch.weights.flip(1),
        )
