"""Cells for the parallel engine: affine in the state in every way, and not."""

from __future__ import annotations

import torch
from torch import nn

import ostinato as ost


class Affine(ost.Cell):
    """What the cells below share: a layer on the input, and a state of their shapes."""

    def __init__(self, outputs, *shapes):
        super().__init__()
        self.input_size = 3
        self.shapes, self.from_input = shapes, nn.Linear(3, outputs)

    def initial_state(self, batch_size):
        like = self.from_input.weight
        found = tuple(like.new_zeros(batch_size, *shape) for shape in self.shapes)
        return found[0] if len(found) == 1 else found


class Gated(Affine):
    """h = (1 − z) ⊙ h + z ⊙ c, put out through a tanh."""

    def __init__(self):
        super().__init__(8, (4,))

    def forward(self, x, h):
        z, c = self.from_input(x).chunk(2, -1)
        z = torch.sigmoid(z)
        h = (1 - z) * h + z * c
        return torch.tanh(h) * z, h


class Rotation(Affine):
    """Two leaves that turn into each other by an angle of the input, and one apart."""

    def __init__(self):
        super().__init__(12, (2, 2), (2, 2), (4,))

    def forward(self, x, state):
        re, im, sum_ = state
        angle, u, v = self.from_input(x).chunk(3, -1)
        angle, u = angle.unflatten(-1, (2, 2)), u.unflatten(-1, (2, 2))
        cos, sin = 0.9 * torch.cos(angle), 0.9 * torch.sin(angle)
        new = cos * re - sin * im + u, sin * re + cos * im
        # The output reads the state before the step as well as after it.
        return re.flatten(1) * new[1].flatten(1) + sum_, (*new, 0.5 * sum_ + v)


class Dense(Affine):
    """h = W h + U x, with a second leaf fed by the first."""

    def __init__(self):
        super().__init__(5, (5,), (2,))
        self.recur = nn.Linear(5, 5)
        self.mix = nn.Linear(5, 2, bias=False)

    def forward(self, x, state):
        h, read = state
        new = 0.5 * self.recur(h) + self.from_input(x)
        return torch.relu(new), (new, 0.3 * read + self.mix(h))


class Forgetful(Affine):
    """The state is the last input, and a leaf that never changes."""

    def __init__(self):
        super().__init__(4, (4,), (4,))

    def forward(self, x, state):
        return state[0] + state[1], (self.from_input(x), state[1])


AFFINE = {cell.__name__: cell for cell in (Gated, Rotation, Dense, Forgetful)}
