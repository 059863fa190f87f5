"""Linear state space (LSSL): for each feature a continuous system of N states, read at steps of δ.

    dx/dt = A x + B u,   y = C x + D u                     for each of the H features, with its δ
    x_t = Ā x_{t−1} + B̄ u_t,   y_t = C x_t + D u_t         u = W x

A and B begin as a HiPPO matrix, C and D as N(0, 1), and δ log-uniform in [step_min, step_max], so
that features have many time scales.

Source: Gu, Johnson, Goel, Saab, Dao, Rudra & Ré 2021, "Combining Recurrent, Convolutional, and
Continuous-time Models with Linear State-Space Layers", NeurIPS 2021, arXiv 2110.13985.
Deviation: W, which the paper has in front of the first layer only, serves any input size. With
large N, C makes the outputs of the beginning large; what normalises them stands around the cell.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from ostinato.cells.discretise import check_method
from ostinato.cells.hippo import MEASURES, System, hippo
from ostinato.cells.state_matrix import StateMatrix
from ostinato.cells.tridiagonal_inverse import FORMS, TridiagonalInverse
from ostinato.core.cell import Cell
from ostinato.core.errors import ArgumentError, ShapeError, nearest

__papers__ = ("lssl",)

LEARN = ("fixed", "shared", "separate")
"""A and B: never learned (LSSL-f), learned for all features together, or for each."""


class LSSLCell(Cell):
    """The recurrent view of an LSSL; the state is x, the output y.

    Args:
        input_size: D.
        hidden_size: H, the features.
        state_size: N, states of each feature; None: H.
        channels: M, outputs of each feature.
        measure: a name of `hippo` or of `tridiagonal_inverse.FORMS`, or A and B.
        learn: "fixed", "shared" or "separate". A learned A that has one of these forms stays of
            that form; any other is learned entry by entry.
        learn_step: whether δ is learned.
        step_min: smallest δ at the beginning.
        step_max: largest δ at the beginning.
        step_init: "random", or "linspace": spread evenly over the logarithms.
        discretisation: "bilinear", "zoh", "euler", "backward_euler", or α of the transform.
        project: whether there is W; False: u = x, as inside a block, and D must be H.
        device: of the parameters.
        dtype: of the parameters.

    Attributes:
        rate: what δ is multiplied with (), 1 at first; saved with the weights. See `resample`.

    Shapes: x (B, D); state (B, H, N); output (B, H·M), the channels of a feature side by side.

    Raises:
        ArgumentError: if an option has no such value, or sizes do not fit.
        ShapeError: if A and B are not (N, N) and (N,).
    """

    rate: Tensor

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        state_size: int | None = None,
        channels: int = 1,
        measure: str | System = "legs",
        learn: str = "shared",
        learn_step: bool = True,
        step_min: float = 1e-3,
        step_max: float = 1e-1,
        step_init: str = "random",
        discretisation: str | float = "bilinear",
        project: bool = True,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        size = hidden_size if state_size is None else state_size
        _check_sizes(input_size, hidden_size, size, channels, project)
        _check_options(learn, step_min, step_max, step_init)
        check_method(discretisation)
        on: dict[str, Any] = {"device": device, "dtype": dtype}
        self.input_size, self.hidden_size = input_size, hidden_size
        self.state_size, self.channels = size, channels
        self.step_min, self.step_max, self.step_init = step_min, step_max, step_init
        self.discretisation = discretisation
        self.register_buffer("rate", torch.ones((), **on))
        self.input: nn.Module = (
            nn.Linear(input_size, hidden_size, False, **on) if project else nn.Identity()
        )
        self.system = _system(measure, size, learn, hidden_size, on)
        self.C = nn.Parameter(torch.empty(hidden_size, channels, size, **on))
        self.D = nn.Parameter(torch.empty(hidden_size, channels, **on))
        self.log_step = nn.Parameter(torch.empty(hidden_size, **on), requires_grad=learn_step)
        self.reset_parameters()

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Draw C, D and δ."""
        nn.init.normal_(self.C)
        nn.init.normal_(self.D)
        low, high = math.log(self.step_min), math.log(self.step_max)
        if self.step_init == "random":
            nn.init.uniform_(self.log_step, low, high)
        else:
            self.log_step.copy_(torch.linspace(low, high, self.hidden_size))

    @torch.no_grad()
    def resample(self, rate: float) -> None:
        """Read inputs whose steps are `rate` times as long as those of the training.

        Raises:
            ArgumentError: if the rate is not positive and finite.
        """
        if not 0 < rate < math.inf:
            raise ArgumentError(f"The rate must be positive and finite; got {rate}.")
        self.rate.fill_(rate)

    @property
    def step_size(self) -> Tensor:
        """δ (H,), at the rate of the inputs."""
        return self.rate * torch.exp(self.log_step)

    def discretised(self) -> System:
        """Ā (H, N, N) and B̄ (H, N)."""
        return self.system.discretised(self.step_size, self.discretisation)

    def initial_state(self, batch_size: int) -> Tensor:
        """Zeros (B, H, N)."""
        return self.zeros(batch_size, self.hidden_size, self.state_size)

    def forward(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """One step: x (B, D), state (B, H, N)."""
        return _step(self.input(x), state, *self.discretised(), self.C, self.D)

    def discrete(self) -> DiscreteLSSL:
        """The same step with Ā and B̄ computed once, for streams; of today's parameters."""
        return DiscreteLSSL(self)

    def extra_repr(self) -> str:
        """The options, for `print`."""
        return (
            f"state_size={self.state_size}, channels={self.channels}, "
            f"discretisation={self.discretisation!r}, rate={float(self.rate):g}"
        )


class DiscreteLSSL(Cell):
    """An LSSL at the steps of one rate: Ā and B̄ are tensors without gradient.

    Args:
        cell: whose parameters are taken; W, C and D are shared with it.
    """

    held: Tensor
    hold: Tensor

    def __init__(self, cell: LSSLCell) -> None:
        super().__init__()
        self.input_size, self.hidden_size = cell.input_size, cell.hidden_size
        self.input, self.C, self.D = cell.input, cell.C, cell.D
        with torch.no_grad():
            held, hold = cell.discretised()
        self.register_buffer("held", held)
        self.register_buffer("hold", hold)

    def initial_state(self, batch_size: int) -> Tensor:
        """Zeros (B, H, N)."""
        return self.zeros(batch_size, *self.hold.shape)

    def forward(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """One step, as that of the cell."""
        return _step(self.input(x), state, self.held, self.hold, self.C, self.D)


def _step(
    u: Tensor, state: Tensor, held: Tensor, hold: Tensor, c: Tensor, d: Tensor
) -> tuple[Tensor, Tensor]:
    """From u (B, H) and a state (B, H, N) to y (B, H·M) and the next state."""
    # What is carried is not to be rounded.
    with torch.autocast(state.device.type, enabled=False):
        state = _apply(held, state) + hold * u[..., None]
    return (_apply(c, state) + d * u[..., None]).flatten(-2), state


def _apply(matrices: Tensor, state: Tensor) -> Tensor:
    """Matrices (H, M, N) of the features times states (B, H, N): (B, H, M)."""
    return (state.transpose(0, 1) @ matrices.mT).transpose(0, 1)


def _system(
    measure: str | System, size: int, learn: str, features: int, on: dict[str, Any]
) -> StateMatrix:
    copies = features if learn == "separate" else None
    if learn != "fixed" and isinstance(measure, str) and measure in FORMS:
        return TridiagonalInverse(measure, size, copies, **on)
    system = _named(measure, size) if isinstance(measure, str) else measure
    if system[0].shape != (size, size) or system[1].shape != (size,):
        raise ShapeError(
            f"A and B must be ({size}, {size}) and ({size},); got {list(system[0].shape)} and "
            f"{list(system[1].shape)}. state_size= says what N is."
        )
    return StateMatrix(system, learn != "fixed", copies, **on)


def _named(measure: str, size: int) -> System:
    if measure in MEASURES or measure not in FORMS:
        return hippo(measure, size)
    with torch.no_grad():
        return TridiagonalInverse(measure, size, dtype=torch.float64).matrices()


def _check_sizes(
    input_size: int, hidden_size: int, state_size: int, channels: int, project: bool
) -> None:
    if min(state_size, channels) < 1:
        raise ArgumentError(
            f"state_size and channels must be at least 1; got {state_size} and {channels}."
        )
    if not project and input_size != hidden_size:
        raise ArgumentError(
            f"Without a projection the features are x itself; got input_size={input_size} and "
            f"hidden_size={hidden_size}. Make them equal, or leave project=True."
        )


def _check_options(learn: str, step_min: float, step_max: float, step_init: str) -> None:
    if learn not in LEARN:
        raise ArgumentError(f"No way to learn A is called {learn!r}. {nearest(learn, LEARN)}")
    if step_init not in ("random", "linspace"):
        raise ArgumentError(f"step_init must be 'random' or 'linspace'; got {step_init!r}.")
    if not 0 < step_min <= step_max:
        raise ArgumentError(f"Steps need 0 < step_min <= step_max; got {step_min} and {step_max}.")
