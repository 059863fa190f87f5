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


class Peephole(Affine):
    """A nonlinear step whose two leaves meet element by element: an LSTM without a matrix."""

    def __init__(self):
        super().__init__(20, (5,), (5,))
        self.recur = nn.Parameter(0.5 * torch.randn(4, 5))

    def forward(self, x, state):
        c, h = state
        f, g, o, skip = self.from_input(x).chunk(4, -1)
        f = torch.sigmoid(f + self.recur[0] * h + self.recur[1] * c)
        c = f * c + (1 - f) * torch.tanh(g + self.recur[2] * h)
        h = torch.sigmoid(o + self.recur[3] * c) * torch.tanh(c)
        return h + skip * c, (c, h)


class Beside(Affine):
    """The same beside a leaf of other elements and a number a row, each by itself."""

    def __init__(self):
        super().__init__(3, (5,), (5,), (3,), ())
        self.pair, self.recur = Peephole(), nn.Parameter(0.5 * torch.randn(3))

    def forward(self, x, state):
        *pair, m, level = state
        y, pair = self.pair(x, tuple(pair))
        m = torch.tanh(self.recur * m + self.from_input(x))
        level = 0.5 * torch.cos(level) + x[:, 0]
        return torch.cat([y, m * level[:, None]], -1), (*pair, m, level)


class PerHead(Affine):
    """A nonlinear step, a matrix for each of two heads, and a number a row beside them."""

    def __init__(self):
        super().__init__(6, (2, 3), ())
        self.recur = nn.Parameter(0.7 * torch.randn(2, 3, 3))

    def forward(self, x, state):
        h, level = state
        u = self.from_input(x).unflatten(-1, (2, 3))
        h = torch.tanh(torch.einsum("hij,bhj->bhi", self.recur, h) + u)
        level = 0.5 * torch.cos(level) + x[:, 0]
        return h.flatten(1) * level[:, None], (h, level)


class Integrator(Affine):
    """A nonlinear step whose states are as large as its inputs."""

    def __init__(self):
        super().__init__(4, (4,))
        self.recur = nn.Parameter(torch.tensor(-0.5))

    def forward(self, x, h):
        u = self.from_input(x)
        h = 0.9 * h + torch.tanh(self.recur * h + u) + u
        return h, h


class Chaotic(Affine):
    """A tanh network far beyond the edge of chaos."""

    def __init__(self, gain=4.0):
        super().__init__(12, (12,))
        random = torch.Generator().manual_seed(0)
        self.recur = nn.Parameter(gain * torch.randn(12, 12, generator=random) / 12**0.5)

    def forward(self, x, h):
        h = torch.tanh(h @ self.recur + 0.1 * self.from_input(x))
        return h, h


NONLINEAR = {cell.__name__: cell for cell in (Peephole, PerHead)}
