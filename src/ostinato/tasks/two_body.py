"""Two bodies that attract each other, on orbits that are known exactly.

    x₁'' = (x₂ − x₁) / |x₂ − x₁|³ = −x₂''

Both of mass 1, they begin at ± r (cos θ, sin θ), the furthest they come, and move across with a
share f of the speed of a circle, 1 / (2 √r):  r of U(0.5, 1.5), θ of U(−π, π), f of U(0.7, 1). So
their distance runs on an ellipse of eccentricity e = 1 − f² and half axis a = 2 r / (1 + e), by
J. Kepler's equation E − e sin E = M, where M grows by √(2 / a³) in a unit of time.

The orbits that Lim, Zhu, Selfridge & Kasim learn: "Parallelizing non-linear sequential models over
the sequence length", ICLR 2024, arXiv 2309.12252. They integrate them with a tolerance of 1e-9.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Generator, Tensor

from ostinato.tasks.arguments import require_at_least
from ostinato.tasks.generated import GeneratedTask
from ostinato.tasks.task import Batch, Values

__papers__ = ("deer",)

STATE = 8
"""Elements of a state: x₁, x₂, x₁', x₂', each in two dimensions."""
# From e ≤ 0.51 Newton's method needs five.
_ITERATIONS = 8


@dataclass(frozen=True)
class Orbits:
    """What makes the orbits of B pairs.

    Attributes:
        radius: r (B,).
        angle: θ (B,).
        share: f (B,).
    """

    radius: Tensor
    angle: Tensor
    share: Tensor

    @classmethod
    def draw(cls, generator: Generator, count: int) -> Orbits:
        """Draw some, in float64."""
        uniform = torch.rand(3, count, generator=generator, dtype=torch.float64)
        return cls(0.5 + uniform[0], math.pi * (2 * uniform[1] - 1), 0.7 + 0.3 * uniform[2])

    def at(self, times: Tensor) -> Tensor:
        """The states (T, B, 8) at times (T,)."""
        e = 1 - self.share**2
        a = 2 * self.radius / (1 + e)
        rate = (2 / a**3).sqrt()
        # They begin at the far end of the ellipse.
        anomaly = _eccentric_anomaly(math.pi + times.to(a)[:, None] * rate, e)
        moving = rate / (1 - e * anomaly.cos())
        width = (1 - e**2).sqrt()
        apart = a[:, None] * torch.stack([anomaly.cos() - e, width * anomaly.sin()], -1)
        change = a[:, None] * torch.stack([-anomaly.sin(), width * anomaly.cos()], -1)
        cos, sin = self.angle.cos(), self.angle.sin()
        turn = torch.stack([torch.stack([cos, sin], -1), torch.stack([-sin, cos], -1)], -2)
        place, speed = (
            -half[..., None, :] @ turn / 2 for half in (apart, change * moving[..., None])
        )
        return torch.cat([place, -place, speed, -speed], -1).squeeze(-2)


class TwoBodyTask(GeneratedTask):
    """Say where both bodies are and how they move one step later, at every step.

    Trivial score: that nothing moves, the mean square of the change in a step, which `describe`
    tells.

    Args:
        steps: the length T of a sequence.
        end: how long it lasts, in units of time.
        seed: what all batches derive from.
        held_out_sequences: the size of each held-out set.
    """

    name = "two_body"
    metric = "mean squared error"
    higher_is_better = False
    splits = ("valid", "test")

    def __init__(
        self, steps: int = 1000, end: float = 10.0, seed: int = 0, held_out_sequences: int = 100
    ) -> None:
        super().__init__(seed, held_out_sequences)
        require_at_least(1, steps=steps)
        require_at_least(0, end=end)
        self.steps, self.end = steps, end
        self.inputs = self.outputs = Values(STATE)

    def draw(self, generator: Generator, batch_size: int) -> Batch:
        """States at the steps and those one step later, (B, T, 8)."""
        times = torch.linspace(0, self.end, self.steps + 1, dtype=torch.float64)
        states = Orbits.draw(generator, batch_size).at(times).transpose(0, 1).float()
        return Batch(states[:, :-1], states[:, 1:])

    def describe(self) -> dict[str, Any]:
        """The seed, the length of a step and what it scores that nothing moves."""
        batch = next(self.held_out("valid", self.held_out_sequences))
        still = float((batch.targets - batch.inputs).square().mean())
        return {"seed": self.seed, "delta": self.end / self.steps, "nothing_moves": still}


def _eccentric_anomaly(mean: Tensor, eccentricity: Tensor) -> Tensor:
    """E of E − e sin E = M, by Newton's method."""
    found = mean
    for _ in range(_ITERATIONS):
        gap = found - eccentricity * found.sin() - mean
        found = found - gap / (1 - eccentricity * found.cos())
    return found
