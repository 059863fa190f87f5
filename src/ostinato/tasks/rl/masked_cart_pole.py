"""Balance a pole from where it is and where the cart is; how fast they move is not seen.

The world is that of gymnasium's CartPole-v1 (`tasks.cart_pole.Physics`, in double precision):
pushes of ±10 N, 1 for every step, the end where x is beyond ±2.4 or θ beyond ±12°, cut off after
500 steps, a start of all four numbers in [−0.05, 0.05]. Without the two velocities one observation
is not enough to balance it: A. G. Barto, R. S. Sutton, C. W. Anderson 1983, IEEE Trans. SMC 13;
hidden velocities, B. Bakker 2002, NeurIPS 14.
"""

from __future__ import annotations

import math

import torch
from numpy import ndarray
from torch import Generator, Tensor

from ostinato.tasks.cart_pole import Physics
from ostinato.tasks.rl.canvas import BLACK, BLUE, ORANGE, Canvas
from ostinato.tasks.rl.tensor_environment import TensorEnvironment, World

_FORCE, _AWAY, _FALLEN, _START = 10.0, 2.4, 12 * 2 * math.pi / 360, 0.05


class MaskedCartPole(TensorEnvironment):
    """Cart and pole, seen as (x, θ); action 0 pushes to the left, 1 to the right.

    Args:
        number: E.
        velocities: whether they are seen too: (x, ẋ, θ, θ̇).
    """

    name, actions = "masked_cart_pole", 2
    physics = Physics()

    def __init__(self, number: int, velocities: bool = False) -> None:
        super().__init__(number, limit=500)
        self._seen = [0, 1, 2, 3] if velocities else [0, 2]
        self.observation_size = len(self._seen)

    def begin(self, episodes: int, generator: Generator) -> World:
        """Near the upright position, almost at rest."""
        unit = torch.rand(episodes, 4, generator=generator, dtype=torch.double)
        return {"state": _START * (2 * unit - 1)}

    def advance(self, world: World, action: Tensor) -> tuple[World, Tensor, Tensor]:
        """Push."""
        state = self.physics.advance(world["state"], _FORCE * (2 * action - 1).double())
        out = (state[:, 0].abs() > _AWAY) | (state[:, 2].abs() > _FALLEN)
        return {"state": state}, torch.ones(len(out)), out

    def observe(self, world: World) -> Tensor:
        """The positions (E, 2), or all (E, 4)."""
        return world["state"][:, self._seen].float()

    def frame(self) -> ndarray:
        """Cart and pole from the side, (120, 240, 3)."""
        x, _, angle, _ = self.world["state"][0].tolist()
        canvas, axle = Canvas(120, 240), (84, 120 + 50 * x)
        canvas.rectangle(96, 0, 97, 240, BLACK)
        canvas.rectangle(84, axle[1] - 14, 96, axle[1] + 14, BLUE)
        tip = (axle[0] - 60 * math.cos(angle), axle[1] + 60 * math.sin(angle))
        canvas.line(axle, tip, 5, ORANGE)
        return canvas.pixels
