"""Wave RNN: units on a ring, each connected with its neighbours only, by the same weights.

    h_t = φ(V x_t + b + w ⋆ h_{t−1})

⋆ is the circular cross-correlation of n places and c channels with a kernel w of k taps, from c
channels to c. It begins as a shift: every place takes over what the place after it holds, so that
an input at place 0 travels round the ring and is back after n steps.

Source: T. A. Keller, L. Muller, T. J. Sejnowski, M. Welling, "Traveling Waves Encode the Recent
Past and Enhance Sequence Learning", ICLR 2024, arXiv 2309.08045.
Deviations: one bias, begun as that of the kernel, instead of two that are added. The kernel is
spread over the circulant matrix that it stands for, once a call; the step is a product with that.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ostinato.cells.activation import Activation, activate, check_activation
from ostinato.core.cell import Cell
from ostinato.core.errors import ArgumentError

__papers__ = ("hidden-waves",)


class WaveRNNCell(Cell):
    """A ring along which activity travels; the output is h_t.

    The input matrix begins as in the paper's tasks with little input: 1 from every input to place
    0 of every channel, 0 elsewhere.

    Args:
        input_size: D.
        hidden_size: H = c · n, channel by channel.
        channels: c.
        taps: k, odd: a place hears of (k − 1)/2 on either side.
        activation: φ, as of `ElmanCell`.
        device: of the parameters.
        dtype: of the parameters.

    Shapes: x (B, D); state and output (B, H).

    Raises:
        ArgumentError: if the activation is not known, c does not divide H, or k does not suit.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        channels: int = 1,
        taps: int = 3,
        activation: Activation = "relu",
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        check_activation(activation)
        if hidden_size % channels or not 3 <= taps <= hidden_size // channels or taps % 2 == 0:
            raise ArgumentError(
                "Expected channels that divide hidden_size, and an odd number of taps from 3 to "
                f"hidden_size / channels; got {channels}, {hidden_size} and {taps}."
            )
        self.input_size, self.hidden_size = input_size, hidden_size
        self.channels, self.activation = channels, activation
        self.input = nn.Linear(input_size, hidden_size, True, device, dtype)
        like = self.input.weight
        self.kernel = nn.Parameter(like.new_zeros(channels, channels, taps))
        self._initialise()

    @torch.no_grad()
    def _initialise(self) -> None:
        bound = self.kernel[0].numel() ** -0.5
        self.input.bias.uniform_(-bound, bound)
        self.input.weight.zero_()
        self.input.weight[:: self.hidden_size // self.channels] = 1
        self.kernel[:, :, self.kernel.shape[2] // 2 + 1] = torch.eye(self.channels)

    @property
    def matrix(self) -> Tensor:
        """The circulant matrix (H, H) of the kernel."""
        n, taps = self.hidden_size // self.channels, self.kernel.shape[2]
        # Row 0 of every circulant block; row p of it is that row moved by p places.
        row = F.pad(self.kernel, (0, n - taps)).roll(-(taps // 2), 2)
        rows = torch.stack([row.roll(p, 2) for p in range(n)], 1)
        return rows.flatten(0, 1).flatten(1)

    def initial_state(self, batch_size: int) -> Tensor:
        """Zeros (B, H)."""
        return self.zeros(batch_size, self.hidden_size)

    def forward(self, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        """One step: x (B, D), h (B, H)."""
        h = activate(self.activation, self.input(x) + F.linear(h, self.matrix))
        return h, h
