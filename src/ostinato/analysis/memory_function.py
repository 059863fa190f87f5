"""The memory function: how much of a lasting change of the input is still arriving, and when.

    u_t = x for t ≥ 0, else 0,      M(t) = sup_x abs(y_t(u) − y_{t−1}(u)) / abs(x)

Of a linear functional y_t = Σ_s ρ(s) x_{t−s} it is abs ρ. Of a network that is stable against
small changes of its weights it falls off exponentially.

Source: Wang, Li & Li 2024, "Inverse approximation theory for nonlinear recurrent neural
networks", arXiv 2305.19190.
Deviation: the supremum is over the inputs that are given. It begins at t = 1, since a cell has an
output only after a step.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ostinato.analysis.finding import Finding, Table
from ostinato.core.cell import Cell
from ostinato.core.errors import ArgumentError
from ostinato.over.time import RNN

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__papers__ = ("inverse-approximation",)


@dataclass(frozen=True)
class MemoryFunction(Finding):
    """M, and how fast it falls.

    Attributes:
        memory: (T−1,) M(1), …, M(T−1).
        noise: what rounding adds to it; fits leave out what is smaller.
    """

    memory: Tensor
    noise: float

    @property
    def rate(self) -> float:
        """r of the nearest M(t) ∝ e^{−rt}."""
        return self._fit(self._times)[0]

    @property
    def power(self) -> float:
        """p of the nearest M(t) ∝ (1+t)^{−p}."""
        return self._fit(torch.log1p(self._times))[0]

    @property
    def decay(self) -> str:
        """Which of both is nearer, "exponential" or "polynomial"."""
        exponential, polynomial = (
            self._fit(axis)[1] for axis in (self._times, torch.log1p(self._times))
        )
        return "exponential" if exponential <= polynomial else "polynomial"

    def table(self) -> Table:
        """M at steps 1, 2, 4, … and the last."""
        last = len(self.memory)
        steps = [2**k for k in range(last.bit_length()) if 2**k < last]
        return Table(["step", "memory"], [[t, float(self.memory[t - 1])] for t in (*steps, last)])

    def draw(self, axes: Axes) -> None:
        """M over time, both logarithmic: a power is a line, an exponential bends down."""
        axes.loglog(range(1, len(self.memory) + 1), self.memory.cpu().numpy())
        axes.set_xlabel("step")
        axes.set_ylabel(f"memory, nearest: {self.decay}")

    @property
    def _times(self) -> Tensor:
        return torch.arange(1, len(self.memory) + 1, dtype=torch.float64)

    def _fit(self, axis: Tensor) -> tuple[float, float]:
        """The negative slope of ln M along an axis, and the mean squared distance from the line."""
        above = self.memory.cpu() > self.noise
        if above.sum() < 2:
            return torch.nan, torch.nan
        x, y = axis[above], self.memory.cpu()[above].double().log()
        x, y = x - x.mean(), y - y.mean()
        slope = (x * y).sum() / x.square().sum()
        return -float(slope), float((y - slope * x).square().mean())


@torch.no_grad()
def memory_function(
    cell: Cell, x: Tensor, head: Callable[[Tensor], Tensor] | None = None
) -> MemoryFunction:
    """The memory function of a cell, from its initial state on.

    Args:
        cell: the cell.
        x: inputs (B, T, D); each row's first one is held for T steps.
        head: from outputs (B, T, H) to what is read of them; None: the outputs themselves.

    Raises:
        ArgumentError: if there are fewer than 2 steps, or an input is 0.
    """
    sizes = x[:, :1].flatten(1).norm(dim=1) if x.shape[1] else x.new_zeros(1)
    if x.shape[1] < 2 or not bool((sizes > 0).all()):
        raise ArgumentError(
            f"Expected 2 or more steps, and first inputs other than 0; got x of shape {[*x.shape]} "
            f"with lengths from {float(sizes.min()) if len(sizes) else 0:.4g} on."
        )
    y = RNN(cell).eval()(x[:, :1].expand_as(x).contiguous())[0]
    y = (y if head is None else head(y)).flatten(2)
    change = (y[:, 1:] - y[:, :-1]).norm(dim=2) / sizes[:, None]
    scale = float((y.abs().amax((1, 2)) / sizes).max())
    return MemoryFunction(change.amax(0), 10 * torch.finfo(y.dtype).eps * scale)
