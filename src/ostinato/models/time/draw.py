"""DRAW: an image is drawn in glimpses, on a canvas that a decoder writes and an encoder looks at.

Every glimpse t, with x the image, c the canvas and ε_t noise::

    r_t = read(x, x − σ(c_{t−1}), h_dec)              N × N patches where h_dec looks
    h_enc = LSTM(r_t, h_dec),    μ_t, log σ_t = W h_enc,    z_t = μ_t + σ_t ε_t
    h_dec = LSTM(z_t),           c_t = c_{t−1} + write(h_dec)
    bound = Σ CE(x, σ(c_T)) + ½ Σ_t Σ (μ_t² + σ_t² − log σ_t² − 1)            (nats)

A patch is F_Y x F_Xᵀ, with rows of F normalised Gaussians of width s about N points that lie δ
apart around a centre (g_X, g_Y); writing is the transpose. W h_dec gives g_X, g_Y, log s², log δ
and log γ.

Source: Gregor, Danihelka, Graves, Rezende & Wierstra 2015, "DRAW: A Recurrent Neural Network For
Image Generation", ICML, arXiv 1502.04623; with the read-out of the LSTMs normalised by Ba, Kiros &
Hinton 2016, arXiv 1607.06450.
Deviation: the bound only; images are not drawn from the prior here.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from ostinato.core.cell import Cell
from ostinato.core.state import State
from ostinato.over.time import RNN

__papers__ = ("layer-norm",)

DrawState = tuple[Tensor, Tensor, State, State]


class Window(nn.Module):
    """Where a decoder looks or writes: N × N points on a square image.

    Args:
        hidden: size of h_dec.
        side: of the image.
        points: N, at least 2.
    """

    def __init__(self, hidden: int, side: int, points: int) -> None:
        super().__init__()
        self.side, self.points = side, points
        self.place = nn.Linear(hidden, 5)

    def forward(self, h: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """h (B, H) to F_Y and F_X (B, N, side) and γ (B, 1, 1)."""
        x, y, width, stride, gain = self.place(h).unbind(-1)
        stride = (self.side - 1) / (self.points - 1) * stride.exp()
        spread = torch.arange(self.points, device=h.device) - (self.points - 1) / 2
        pixels = torch.arange(self.side, device=h.device)
        filters = []
        for centre in (y, x):
            middle = (self.side + 1) / 2 * (centre + 1) - 1
            at = middle[:, None] + spread * stride[:, None]
            far = (pixels - at[..., None]).square() / (2 * width.exp()[:, None, None])
            # A window that lies beside the image has weights that all vanish in exp(−far).
            filters.append((-far).softmax(-1))
        return filters[0], filters[1], gain.exp()[:, None, None]


class DrawCell(Cell):
    """One glimpse; the input is the image, the output what its code costs (B,), in nats.

    Args:
        cell: from input and hidden size to the recurrent cell of encoder and decoder.
        side: of the image.
        hidden: H of both.
        code: Z.
        read: N of the window that reads.
        write: N of the window that writes.

    Shapes: x (B, side²); state: canvas (B, side²), h_dec (B, H), and the states of both cells;
    noise (B, Z).
    """

    def __init__(
        self,
        cell: Callable[[int, int], Cell],
        side: int = 28,
        hidden: int = 256,
        code: int = 100,
        read: int = 2,
        write: int = 5,
    ) -> None:
        super().__init__()
        self.input_size, self.side, self.hidden, self.code = side * side, side, hidden, code
        self.encoder = cell(2 * read * read + hidden, hidden)
        self.decoder = cell(code, hidden)
        self.reader = Window(hidden, side, read)
        self.writer = Window(hidden, side, write)
        self.encode = nn.Linear(hidden, 2 * code)
        self.patch = nn.Linear(hidden, write * write)

    def initial_state(self, batch_size: int) -> DrawState:
        """An empty canvas and zeros."""
        canvas = self.zeros(batch_size, self.side * self.side)
        states = (cell.initial_state(batch_size) for cell in (self.encoder, self.decoder))
        return canvas, self.zeros(batch_size, self.hidden), *states

    def sample_noise(
        self, batch_size: int, steps: int, generator: Generator | None = None
    ) -> Tensor:
        """ε (T, B, Z)."""
        noise = self.zeros(steps, batch_size, self.code)
        return noise.normal_(generator=generator)

    def forward(
        self, x: Tensor, state: DrawState, noise: Tensor | None = None
    ) -> tuple[Tensor, DrawState]:
        """One glimpse; without noise z is its mean."""
        canvas, h, encoded, decoded = state
        seen = self._read(torch.stack([x, x - canvas.sigmoid()], 1), h)
        h_enc, encoded = self.encoder(torch.cat([seen, h], -1), encoded)
        mean, log_std = self.encode(h_enc).chunk(2, -1)
        z = mean if noise is None else mean + log_std.exp() * noise
        h, decoded = self.decoder(z, decoded)
        canvas = canvas + self._write(h)
        cost = (mean.square() + (2 * log_std).exp() - 2 * log_std - 1).sum(-1) / 2
        return cost, (canvas, h, encoded, decoded)

    def _read(self, images: Tensor, h: Tensor) -> Tensor:
        """Images (B, 2, side²) to patches (B, 2 N²)."""
        rows, columns, gain = self.reader(h)
        whole = torch.unflatten(images, -1, (self.side, self.side))
        patches = rows[:, None] @ whole @ columns[:, None].mT
        seen: Tensor = (gain[:, None] * patches).flatten(1)
        return seen

    def _write(self, h: Tensor) -> Tensor:
        rows, columns, gain = self.writer(h)
        points = self.writer.points
        patch = torch.unflatten(self.patch(h), -1, (points, points))
        written: Tensor = (rows.mT @ patch @ columns / gain).flatten(1)
        return written


class Draw(nn.Module):
    """The bound on −log p(x) of binary images (B, side²), in nats (B,).

    Args:
        cell: one glimpse.
        glimpses: T.
        engine: of the recurrence.
    """

    def __init__(self, cell: DrawCell, glimpses: int = 64, engine: str = "auto") -> None:
        super().__init__()
        self.glimpses = glimpses
        self.recurrence = RNN(cell, engine)

    def forward(self, images: Tensor, generator: Generator | None = None) -> Tensor:
        """Draw each image once, in training and evaluation alike.

        Args:
            images: (B, side²) in 0 … 1.
            generator: source of ε; None: torch's own.
        """
        noise = self.recurrence.sample_noise(len(images), self.glimpses, generator)
        shown = images[:, None].expand(-1, self.glimpses, -1)
        costs, (canvas, *_) = self.recurrence(shown, noise=noise)
        missing = F.binary_cross_entropy_with_logits(canvas, images, reduction="none")
        bound: Tensor = missing.sum(-1) + costs.sum(-1)
        return bound

    def extra_repr(self) -> str:
        """How many glimpses, for `print`."""
        return f"glimpses={self.glimpses}"
