"""Linear functionals of known memory: what of the past the answer depends on, is prescribed.

    y_t = Σ_s ρ(s) x_{t−s}

    exponential   e^{−s}                      polynomial   (1 + s/10)^{−1.1}
    shift         1 at s = 10, else 0         two_parts    e^{−s} + e^{−(s−9)²}
    airy          Ai(s − 6)

A stable recurrent network forgets exponentially; the others ask for more than that.

Source: Wang, Li & Li 2024, "Inverse approximation theory for nonlinear recurrent neural
networks", arXiv 2305.19190. Deviation: x has variance 1, not Δ².
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from ostinato.tasks.arguments import require_at_least, require_one_of
from ostinato.tasks.generated import GeneratedTask
from ostinato.tasks.task import Batch, Values

__papers__ = ("inverse-approximation",)

_MEMORIES: dict[str, Callable[[Tensor], Tensor]] = {
    "exponential": lambda s: torch.exp(-s),
    "polynomial": lambda s: (1 + s / 10) ** -1.1,
    "shift": lambda s: (s == 10).to(s),
    "two_parts": lambda s: torch.exp(-s) + torch.exp(-((s - 9) ** 2)),
    "airy": lambda s: torch.special.airy_ai(s - 6),
}


class LinearFunctionalTask(GeneratedTask):
    """Give a weighted sum of all that was read so far.

    Later steps, which depend on more of the past, count for more: the weight of the error at step
    t is ((t+1) / (T+1))^p, squared as the error is.

    Args:
        memory: ρ: "exponential", "polynomial", "shift", "two_parts" or "airy".
        steps: the length T of a sequence.
        power: p.
        seed: what all batches derive from.
        held_out_sequences: the size of the held-out set.
    """

    name = "linear_functional"
    metric = "weighted mean squared error"
    higher_is_better = False

    def __init__(
        self,
        memory: str = "polynomial",
        steps: int = 100,
        power: float = 2.0,
        seed: int = 0,
        held_out_sequences: int = 1000,
    ) -> None:
        super().__init__(seed, held_out_sequences)
        require_at_least(1, steps=steps)
        require_one_of(_MEMORIES, memory=memory)
        self.memory, self.steps, self.power = memory, steps, power
        self.inputs = self.outputs = Values(1)
        self.density = _MEMORIES[memory](torch.arange(steps, dtype=torch.float64))
        self._weights = ((torch.arange(steps) + 1) / (steps + 1)) ** (2 * power)

    def draw(self, generator: torch.Generator, batch_size: int) -> Batch:
        """Inputs and targets (B, T, 1)."""
        x = torch.randn(batch_size, self.steps, generator=generator)
        targets = causal_convolution(self.density, x.double()).float()
        weights = self._weights.expand(batch_size, -1)
        return Batch(x[..., None], targets[..., None], weights=weights)

    def describe(self) -> dict[str, Any]:
        """ρ, the seed and what the constant 0 scores."""
        variance = self.density.square().cumsum(0)
        zero = float((variance * self._weights).sum() / self._weights.sum())
        return {"memory": self.memory, "seed": self.seed, "zero": {self.metric: zero}}


def causal_convolution(density: Tensor, x: Tensor) -> Tensor:
    """y_t = Σ_{s≤t} ρ(s) x_{t−s}, by way of frequencies.

    Args:
        density: ρ (T,).
        x: (B, T).
    """
    steps = x.shape[-1]
    # Twice the length, so that the end does not come round to the beginning.
    transformed = torch.fft.rfft(density, 2 * steps) * torch.fft.rfft(x, 2 * steps)
    whole: Tensor = torch.fft.irfft(transformed, 2 * steps)
    return whole[..., :steps]
