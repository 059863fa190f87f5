"""Which of five processes made a long noise: nothing but its spectrum tells them apart.

    x_t = 2 r cos(ω_c) x_{t−1} − r² x_{t−2} + ε_t,   r = 0.9,   ω_c = c π / 6,  c = 1 … 5

Autoregressive processes of order two (G. U. Yule, "On a method of investigating periodicities in
disturbed series", 1927), scaled to variance 1.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from ostinato.engines.parallel.affine import affine_scan
from ostinato.tasks.arguments import require_at_least
from ostinato.tasks.generated import GeneratedTask
from ostinato.tasks.task import Batch, Symbols, Values

CLASSES, RADIUS = 5, 0.9


class WhichProcessTask(GeneratedTask):
    """Name the process after hearing T steps of it.

    Trivial score: an accuracy of 0.2.

    Args:
        steps: the length T of a sequence.
        seed: what all batches derive from.
        held_out_sequences: the size of each held-out set.
    """

    name = "which_process"
    per_step = False
    metric = "accuracy"
    higher_is_better = True
    splits = ("valid", "test")

    def __init__(self, steps: int = 4096, seed: int = 0, held_out_sequences: int = 250) -> None:
        super().__init__(seed, held_out_sequences)
        require_at_least(1, steps=steps)
        self.steps = steps
        self.inputs, self.outputs = Values(1), Symbols(CLASSES)

    def draw(self, generator: torch.Generator, batch_size: int) -> Batch:
        """Inputs (B, T, 1) of variance 1; targets (B,)."""
        classes = torch.randint(CLASSES, (batch_size,), generator=generator)
        noise = torch.randn(self.steps, batch_size, 1, generator=generator)
        first, second = coefficients(classes)
        # The companion matrix carries (x_t, x_{t−1}).
        lower = torch.tensor([1.0, 0.0]).expand(batch_size, 2)
        a = torch.stack([torch.stack([first, second], -1), lower], -2)
        b = torch.cat([noise, torch.zeros_like(noise)], -1)
        x = affine_scan(a, b, kind="dense")[..., :1]
        return Batch((x / deviation(first, second)[:, None]).transpose(0, 1), classes)

    def describe(self) -> dict[str, Any]:
        """The seed and what guessing scores."""
        return {"seed": self.seed, "guessing": {"accuracy": 1 / CLASSES}}


def coefficients(classes: Tensor) -> tuple[Tensor, Tensor]:
    """Those of x_{t−1} and x_{t−2}, (B,)."""
    angle = (classes + 1) * math.pi / (CLASSES + 1)
    return 2 * RADIUS * angle.cos(), torch.full_like(angle, -(RADIUS**2))


def deviation(first: Tensor, second: Tensor) -> Tensor:
    """The standard deviation of the process, (B,)."""
    variance = (1 - second) / ((1 + second) * ((1 - second) ** 2 - first**2))
    return variance.sqrt()
