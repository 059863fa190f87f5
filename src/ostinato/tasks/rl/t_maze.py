"""Remember, along a corridor, on which side of its end the goal lies.

A sign at the start says whether it is north or south of the junction at the end. B. Bakker 2002,
"Reinforcement learning with long short-term memory", NeurIPS 14: observations 011 (north) or 110
(south) at the start, 101 in the corridor, 010 at the junction; 4 for the goal, −0.1 for the
other side, both the end of the episode; −0.1 for a step that leads nowhere. Here an episode is
cut off after a limit, so that one which stands still ends as well.
"""

from __future__ import annotations

import torch
from numpy import ndarray
from torch import Generator, Tensor

from ostinato.tasks.arguments import require_at_least
from ostinato.tasks.rl.canvas import BLUE, GREEN, GREY, ORANGE, Canvas
from ostinato.tasks.rl.tensor_environment import TensorEnvironment, World

NORTH, EAST, SOUTH, WEST = range(4)

_SEEN = torch.tensor([[0.0, 1, 1], [1, 1, 0], [1, 0, 1], [0, 1, 0]])
_CORRIDOR, _JUNCTION = 2, 3
_SIDE = 16  # pixels of a field


class TMaze(TensorEnvironment):
    """A corridor with a choice at its end; the actions are north, east, south, west.

    Args:
        number: E.
        length: steps from the start to the junction, N.
        limit: steps after which an episode is cut off; None: 10 (N + 1).
    """

    name, observation_size, actions = "t_maze", 3, 4

    def __init__(self, number: int, length: int = 10, limit: int | None = None) -> None:
        require_at_least(1, length=length)
        super().__init__(number, 10 * (length + 1) if limit is None else limit)
        self.length = length

    def begin(self, episodes: int, generator: Generator) -> World:
        """At the start, the goal on either side."""
        south = torch.randint(2, (episodes,), generator=generator)
        return {"place": torch.zeros_like(south), "south": south}

    def advance(self, world: World, action: Tensor) -> tuple[World, Tensor, Tensor]:
        """Walk along the corridor, or choose a side."""
        place, south = world["place"], world["south"]
        chosen = (place == self.length) & ((action == NORTH) | (action == SOUTH))
        right = chosen & (action == NORTH + 2 * south)
        walk = (action == EAST).long() - (action == WEST).long()
        reached = (place + walk).clamp(0, self.length)
        fruitless = (reached == place) & ~right
        reward = 4.0 * right - 0.1 * fruitless
        return {"place": reached, "south": south}, reward, chosen

    def observe(self, world: World) -> Tensor:
        """Three bits (E, 3): the sign, the corridor or the junction."""
        place = world["place"]
        kind = torch.where(place == self.length, _JUNCTION, _CORRIDOR)
        return _SEEN[torch.where(place == 0, world["south"], kind)]

    def frame(self) -> ndarray:
        """The maze from above: the agent blue, the goal green, the sign orange."""
        place, south = int(self.world["place"][0]), int(self.world["south"][0])
        canvas = Canvas(5 * _SIDE, (self.length + 3) * _SIDE)
        for column in range(self.length + 1):
            _field(canvas, 2, column, GREY)
        _field(canvas, 1, self.length, GREY)
        _field(canvas, 3, self.length, GREY)
        _field(canvas, 3 if south else 1, self.length, GREEN)
        sign = (4 if south else 1) * _SIDE - _SIDE // 4
        canvas.rectangle(sign, _SIDE, sign + _SIDE // 2, 2 * _SIDE - 1, ORANGE)
        _field(canvas, 2, place, BLUE)
        return canvas.pixels


def _field(canvas: Canvas, row: int, column: int, colour: tuple[int, int, int]) -> None:
    left = (column + 1) * _SIDE
    canvas.rectangle(row * _SIDE, left, (row + 1) * _SIDE - 1, left + _SIDE - 1, colour)
