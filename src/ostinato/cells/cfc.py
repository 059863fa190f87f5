"""Closed-form continuous-time cell, for inputs at irregular times.

    z = W x_t + U h_{t−1} + b, through a backbone if there is one
    f, g, a, c = four linear heads on z; without a backbone they are parts of z itself
    s = σ(a Δt + c)
    h_t = (1 − s) ⊙ tanh(f) + s ⊙ tanh(g)                      default
    h_t = tanh(f) + s ⊙ tanh(g)                                no_gate
    h_t = A − A ⊙ exp(−Δt (abs(w) + abs(f))) ⊙ f                     pure: f is the only head

Source: Hasani, Lechner, Amini, Liebenwein, Ray, Tschaikowski, Teschl & Rus 2022, "Closed-form
continuous-time neural networks", Nature Machine Intelligence 4, arXiv 2106.13898. U of low rank
and sparse: Tumma, Lechner, Loo, Hasani & Rus 2024, ICLR, arXiv 2310.03915; see
`wrap.recurrent_connectivity`.
Deviation: the paper writes s = σ(−f t); here, as in its code, two heads give slope and offset.
There is no backbone unless asked for, since U has to be seen as a matrix to restrict it.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ostinato.cells.elapsed import with_elapsed
from ostinato.core.cell import Cell
from ostinato.core.errors import ArgumentError, nearest

__papers__ = ("sparse-lowrank-cfc",)

_HEADS = {"default": 4, "no_gate": 4, "pure": 1}

_ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "lecun_tanh": lambda u: 1.7159 * torch.tanh(0.666 * u),
    "tanh": torch.tanh,
    "relu": torch.relu,
    "silu": F.silu,
    "gelu": F.gelu,
}


class CfCCell(Cell):
    """The CfC; state and output are h.

    For example::

        rnn = ost.RNN(CfCCell(3, 32))
        y, state = rnn(x)                   # x (B, T, 3), steps one unit of time apart
        y, state = rnn((x, elapsed))        # elapsed (B, T, 1)

    Args:
        input_size: D.
        hidden_size: H.
        mode: "default", "no_gate" or "pure".
        backbone: widths of the layers between z and the heads; the published code has (128,).
        activation: of these layers: "lecun_tanh", "tanh", "relu", "silu" or "gelu".
        device: of the parameters.
        dtype: of the parameters.

    Shapes: x (B, D), or x with the time since the step before (B, 1); state and output (B, H).
    Heads stand in the order f, g, a, c. Matrices begin by Glorot's rule for [x; h].

    Raises:
        ArgumentError: if there is no such mode or activation.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        mode: str = "default",
        backbone: Sequence[int] = (),
        activation: str = "lecun_tanh",
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        if mode not in _HEADS:
            raise ArgumentError(f"CfC has no mode {mode!r}. {nearest(mode, _HEADS)}")
        if activation not in _ACTIVATIONS:
            raise ArgumentError(
                f"No activation is called {activation!r}. {nearest(activation, _ACTIVATIONS)}"
            )
        self.input_size, self.hidden_size = input_size, hidden_size
        self.mode, self.backbone, self.activation = mode, tuple(backbone), activation
        widths = [*backbone, _HEADS[mode] * hidden_size]
        self.input = nn.Linear(input_size, widths[0], True, device, dtype)
        self.recur = nn.Linear(hidden_size, widths[0], False, device, dtype)
        self.deeper = nn.ModuleList(
            nn.Linear(fan_in, fan_out, True, device, dtype)
            for fan_in, fan_out in itertools.pairwise(widths)
        )
        self._glorot()
        if mode == "pure":
            self.rate = nn.Parameter(torch.zeros(hidden_size, device=device, dtype=dtype))
            self.rest = nn.Parameter(torch.ones(hidden_size, device=device, dtype=dtype))

    def initial_state(self, batch_size: int) -> Tensor:
        """Zeros (B, H)."""
        return self.zeros(batch_size, self.hidden_size)

    def forward(self, x: Any, h: Tensor) -> tuple[Tensor, Tensor]:
        """One step: x (B, D) or (x, elapsed (B, 1)), h (B, H)."""
        features, elapsed = with_elapsed(x)
        z = self.input(features) + self.recur(h)
        for layer in self.deeper:
            z = layer(_ACTIVATIONS[self.activation](z))
        h = self._pure(z, elapsed) if self.mode == "pure" else self._gated(z, elapsed)
        return h, h

    def _gated(self, z: Tensor, elapsed: Tensor | float) -> Tensor:
        f, g, slope, offset = z.chunk(4, -1)
        f, g, s = torch.tanh(f), torch.tanh(g), torch.sigmoid(slope * elapsed + offset)
        return (f if self.mode == "no_gate" else (1 - s) * f) + s * g

    def _pure(self, f: Tensor, elapsed: Tensor | float) -> Tensor:
        decay = torch.exp(-elapsed * (self.rate.abs() + f.abs()))
        return self.rest - self.rest * decay * f

    def _glorot(self) -> None:
        """Uniform by the fans of one head or layer, whatever is stacked or stands beside it."""
        joint = self.input_size + self.hidden_size
        first = self.backbone[0] if self.backbone else self.hidden_size
        widths = [joint, *self.backbone, self.hidden_size]
        fans = [(joint, first), (joint, first), *itertools.pairwise(widths[1:])]
        for layer, (fan_in, fan_out) in zip(
            (self.input, self.recur, *self.deeper), fans, strict=False
        ):
            bound = (6 / (fan_in + fan_out)) ** 0.5
            nn.init.uniform_(layer.get_parameter("weight"), -bound, bound)
