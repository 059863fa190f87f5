"""Running parity: is the number of ones so far odd? The smallest problem of tracking a state.

    y_t = (x_1 + … + x_t) mod 2

An answer at every step trains fast, and what it taught is asked of longer sequences. A
recurrence that is linear in its state with positive factors only cannot hold it in finite
precision (Grazzi et al. 2024, arXiv 2411.12537). Among the tasks of ParaRNN, arXiv 2510.21450.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from ostinato.tasks.arguments import require_at_least
from ostinato.tasks.generated import GeneratedTask
from ostinato.tasks.task import Batch, Symbols


class RunningParityTask(GeneratedTask):
    """Say at every step whether the ones so far are odd in number; scored at the last step.

    Trivial score: an accuracy of 0.5 and a loss of ln 2.

    Args:
        steps: the length T of a training sequence.
        held_out_steps: that of a held-out one.
        seed: what all batches derive from.
        held_out_sequences: the size of the held-out set.
    """

    name = "running_parity"
    metric = "accuracy at the last step"
    higher_is_better = True

    def __init__(
        self,
        steps: int = 32,
        held_out_steps: int = 256,
        seed: int = 0,
        held_out_sequences: int = 1000,
    ) -> None:
        super().__init__(seed, held_out_sequences)
        require_at_least(1, steps=steps, held_out_steps=held_out_steps)
        self.steps, self.held_out_steps = steps, held_out_steps
        self.inputs = self.outputs = Symbols(2)

    def draw(self, generator: torch.Generator, batch_size: int) -> Batch:
        """Inputs and targets (B, T)."""
        return _draw(generator, batch_size, self.steps)

    def draw_held_out(self, generator: torch.Generator, batch_size: int) -> Batch:
        """As in training, with `held_out_steps`."""
        return _draw(generator, batch_size, self.held_out_steps)

    def score(self, outputs: Tensor, batch: Batch) -> tuple[float, float]:
        """Right answers at the last step, and rows; outputs (B, T, 2)."""
        right = outputs[:, -1].argmax(-1) == batch.targets[:, -1]
        return float(right.sum()), float(batch.size)

    def describe(self) -> dict[str, Any]:
        """The seed and what guessing scores."""
        return {"seed": self.seed, "guessing": {"accuracy": 0.5, "loss": math.log(2)}}


def _draw(generator: torch.Generator, rows: int, steps: int) -> Batch:
    bits = torch.randint(2, (rows, steps), generator=generator)
    return Batch(bits, bits.cumsum(1) % 2)
