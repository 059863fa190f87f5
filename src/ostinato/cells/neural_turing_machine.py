"""Neural Turing machine: a controller that reads and writes a memory by soft addresses.

    h_t = controller([x_t, r_{t−1}])
    for every head, from an affine map of h_t: key k, β = softplus, g = σ, shift s = softmax,
    γ = 1 + softplus; for a write head besides erase e = σ and add a = tanh
    w^c_i ∝ exp(β cos(k, M_i))                   content
    w^g   = g w^c + (1 − g) w_{t−1}              interpolation
    w̃_i   = Σ_j w^g_j s(i − j mod N)             shift
    w_i   ∝ w̃_i^γ                                sharpening
    M_i ← M_i ⊙ Π (1 − w_i e) + Σ w_i a          over write heads, w found from M_{t−1}
    r     = Σ_i w_i M_i                          over the memory after the write

Source: Graves, Wayne & Danihelka 2014, "Neural Turing Machines", arXiv 1410.5401.
Deviation: the paper leaves open whether r is read before or after the write (`read_first`), and
whether a is squashed; tanh keeps the memory bounded. The memory begins at 10⁻⁶ everywhere, which
trains best of the common ways (Collier & Beel 2018, arXiv 1807.08518), and all heads on the first
location, since a uniform address has no reason to prefer any; the paper learns reads and addresses,
for which there is `RNN(cell, learn_initial_state=True)`. The output is [h, r]; the map to the
answer is the model's.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ostinato.cells.lstm import LSTMCell
from ostinato.core.cell import Cell
from ostinato.core.errors import ArgumentError
from ostinato.core.state import State

__papers__ = ("rnn-survey",)

_EPSILON = 1e-8
_BLANK = 1e-6
"""What the memory holds before the first step."""


class TuringState(NamedTuple):
    """The state of a neural Turing machine.

    Attributes:
        memory: M (B, N, W).
        addresses: w of all heads (B, heads, N), those that read first.
        reads: r (B, R, W).
        controller: its own state.
    """

    memory: Tensor
    addresses: Tensor
    reads: Tensor
    controller: State


class NeuralTuringMachineCell(Cell):
    """The NTM; the output is the controller's and what was read, [h, r].

    Args:
        input_size: D.
        hidden_size: H, of the controller.
        locations: N, rows of the memory.
        width: W, numbers in a row.
        read_heads: R.
        write_heads: how many heads write.
        controller: "feedforward", one layer of tanh, or "lstm".
        read_first: read the memory as it was before the write.
        device: of the parameters.
        dtype: of the parameters.

    Shapes: x (B, D); output (B, H + R·W); state: `TuringState`.

    Raises:
        ArgumentError: if a size is below 1, or the controller is neither.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        locations: int = 16,
        width: int = 8,
        read_heads: int = 1,
        write_heads: int = 1,
        controller: str = "feedforward",
        read_first: bool = False,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        if min(locations, width, read_heads, write_heads) < 1:
            raise ArgumentError(
                "A memory needs at least 1 location, width, read head and write head; got "
                f"{locations}, {width}, {read_heads} and {write_heads}."
            )
        if controller not in _CONTROLLERS:
            raise ArgumentError(f"controller must be one of {[*_CONTROLLERS]}; got {controller!r}.")
        on: dict[str, Any] = {"device": device, "dtype": dtype}
        self.input_size, self.hidden_size = input_size, hidden_size
        self.locations, self.width = locations, width
        self.read_heads, self.write_heads, self.read_first = read_heads, write_heads, read_first
        heads = read_heads + write_heads
        made = _CONTROLLERS[controller](input_size + read_heads * width, hidden_size, **on)
        self.controller: Cell = made
        self.address = nn.Linear(hidden_size, heads * (width + 6), **on)
        self.write = nn.Linear(hidden_size, write_heads * 2 * width, **on)

    def initial_state(self, batch_size: int) -> TuringState:
        """A blank memory, nothing read, and all heads on the first location."""
        elsewhere = self.zeros(batch_size, self.read_heads + self.write_heads, self.locations - 1)
        return TuringState(
            self.zeros(batch_size, self.locations, self.width) + _BLANK,
            F.pad(elsewhere, (1, 0), value=1.0),
            self.zeros(batch_size, self.read_heads, self.width),
            self.controller.initial_state(batch_size),
        )

    def forward(self, x: Tensor, state: TuringState) -> tuple[Tensor, TuringState]:
        """One step: x (B, D)."""
        memory = state.memory
        seen = torch.cat([x, state.reads.flatten(1)], -1)
        h, controller = self.controller(seen, state.controller)
        addresses = self._addresses(h, state)
        reading, writing = addresses.tensor_split([self.read_heads], 1)
        written = self._written(h, memory, writing)
        reads = reading @ (memory if self.read_first else written)
        output = torch.cat([h, reads.flatten(1)], -1)
        return output, TuringState(written, addresses, reads, controller)

    def _addresses(self, h: Tensor, state: TuringState) -> Tensor:
        """w of all heads (B, heads, N)."""
        made: Tensor = self.address(h).unflatten(-1, (-1, self.width + 6))
        key, rest = made[..., : self.width], made[..., self.width :]
        strength, gate, kernel, power = rest.tensor_split([1, 2, 5], -1)
        found = content(state.memory, key, F.softplus(strength))
        gate = torch.sigmoid(gate)
        moved = shift(gate * found + (1 - gate) * state.addresses, torch.softmax(kernel, -1))
        return sharpen(moved, 1 + F.softplus(power))

    def _written(self, h: Tensor, memory: Tensor, addresses: Tensor) -> Tensor:
        """The memory (B, N, W) after every write head erased and added."""
        made: Tensor = self.write(h).unflatten(-1, (self.write_heads, 2 * self.width))
        erase, add = made.chunk(2, -1)
        for w, e, a in zip(
            addresses.unbind(1),
            torch.sigmoid(erase).unbind(1),
            torch.tanh(add).unbind(1),
            strict=True,
        ):
            memory = memory * (1 - w[..., None] * e[:, None]) + w[..., None] * a[:, None]
        return memory

    def extra_repr(self) -> str:
        """The size of the memory, for `print`."""
        return f"locations={self.locations}, width={self.width}"


def content(memory: Tensor, key: Tensor, strength: Tensor) -> Tensor:
    """Addresses (B, heads, N) of what is like the key: softmax of β cos(k, M_i).

    Args:
        memory: M (B, N, W).
        key: k (B, heads, W).
        strength: β (B, heads, 1).
    """
    lengths: Tensor = key.norm(dim=-1)[..., None] * memory.norm(dim=-1)[:, None]
    return torch.softmax(strength * (key @ memory.transpose(1, 2)) / (lengths + _EPSILON), -1)


def shift(addresses: Tensor, kernel: Tensor) -> Tensor:
    """Σ_j w_j s(i − j mod N): addresses (B, heads, N) moved by −1, 0 and 1 with weights s.

    Args:
        addresses: w (B, heads, N).
        kernel: s (B, heads, 3), for moves by −1, 0 and 1.
    """
    back, stay, on = kernel.chunk(3, -1)
    return back * addresses.roll(-1, -1) + stay * addresses + on * addresses.roll(1, -1)


def sharpen(addresses: Tensor, power: Tensor) -> Tensor:
    """w_i^γ / Σ w^γ.

    Args:
        addresses: w (B, heads, N).
        power: γ ≥ 1 (B, heads, 1).
    """
    # The softmax of logarithms: a power of what is nearly 0 underflows together with its sum.
    # A state that is learned, and not a result, may be below 0.
    return torch.softmax(power * torch.log(addresses.clamp_min(0) + _EPSILON), -1)


class Feedforward(Cell):
    """A controller without a state: h = tanh(W x + b).

    Args:
        input_size: of x (B, D).
        hidden_size: of h (B, H).
        device: of the parameters.
        dtype: of the parameters.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.input = nn.Linear(input_size, hidden_size, True, device, dtype)

    def initial_state(self, batch_size: int) -> tuple[()]:
        """None at all."""
        return ()

    def forward(self, x: Tensor, state: tuple[()]) -> tuple[Tensor, tuple[()]]:
        """One step: x (B, D)."""
        return torch.tanh(self.input(x)), state


_CONTROLLERS: dict[str, type[Cell]] = {"feedforward": Feedforward, "lstm": LSTMCell}
