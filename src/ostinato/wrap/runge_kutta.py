"""A differential equation y' = f(y, x), one explicit Runge–Kutta step as a cell.

    k_i = f(y + Δ Σ_{j<i} a_ij k_j, x),   y' = y + Δ Σ_i w_i k_i

The input x is held over the step. Euler 1768 (order 1); Heun 1900 and the midpoint rule (order 2);
Kutta 1901 (order 4).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ostinato.core.cell import Cell
from ostinato.core.errors import ArgumentError, nearest

__papers__ = ("deer",)


@dataclass(frozen=True)
class Tableau:
    """The numbers of a method.

    Attributes:
        stages: a, the row of each stage.
        weights: w.
    """

    stages: tuple[tuple[float, ...], ...]
    weights: tuple[float, ...]


TABLEAUS = {
    "euler": Tableau(((),), (1.0,)),
    "midpoint": Tableau(((), (0.5,)), (0.0, 1.0)),
    "heun": Tableau(((), (1.0,)), (0.5, 0.5)),
    "rk4": Tableau(((), (0.5,), (0.0, 0.5), (0.0, 0.0, 1.0)), (1 / 6, 1 / 3, 1 / 3, 1 / 6)),
}


class RungeKutta(Cell):
    """One step of y' = f(y, x); state and output are y.

        rnn = ost.RNN(RungeKutta(field, size=2, method="rk4", delta=0.01))
        y, state = rnn(x, y0)                        # x (B, T, D), y (B, T, 2), at the steps' ends

    Any engine runs it. `ost.solve_ode` solves the same equation with a step of its
    own that is second order and knows y at both ends.

    Args:
        field: f, `(y, x) -> y'`, y and y' (B, N).
        size: N.
        method: "euler", "midpoint", "heun" or "rk4".
        delta: Δ; None: it comes with the input, which then is the pair (x, Δ), Δ (B, 1).

    Raises:
        ArgumentError: if there is no such method.
    """

    def __init__(
        self, field: nn.Module, size: int, method: str = "rk4", delta: float | None = None
    ) -> None:
        super().__init__()
        if method not in TABLEAUS:
            raise ArgumentError(
                f"No Runge–Kutta method is called {method!r}. {nearest(method, TABLEAUS)}"
            )
        self.field, self.size, self.method, self.delta = field, size, method, delta

    def initial_state(self, batch_size: int) -> Tensor:
        """Zeros (B, N)."""
        return self.zeros(batch_size, self.size)

    def forward(self, x: Any, y: Tensor) -> tuple[Tensor, Tensor]:
        """One step: y (B, N), x whatever the field reads."""
        x, delta = x if self.delta is None else (x, self.delta)
        tableau, slopes = TABLEAUS[self.method], list[Tensor]()
        for row in tableau.stages:
            slopes.append(self.field(y + delta * _sum(row, slopes, y), x))
        y = y + delta * _sum(tableau.weights, slopes, y)
        return y, y

    def extra_repr(self) -> str:
        """Method and step, for `print`."""
        return f"method={self.method!r}, delta={self.delta}"


def _sum(weights: tuple[float, ...], slopes: list[Tensor], like: Tensor) -> Tensor:
    terms = [w * k for w, k in zip(weights, slopes, strict=True) if w]
    return sum(terms[1:], terms[0]) if terms else torch.zeros_like(like)
