"""A differential-algebraic equation F(y', y, x(t)) = 0 by backward Euler, all times together.

    F((y_i − y_{i−1})/Δ_i, y_i, x_i) = 0

Near a trajectory, with the derivatives M0 of this residual in y_i and M1 in y_{i−1},

    M0 y_i + M1 y_{i−1} = M0 y_i^k + M1 y_{i−1}^k − F^k

so A = −M0⁻¹ M1: Newton's method for all steps, whose gradient is exact. First order in Δ. Lim, Zhu,
Selfridge & Kasim, "Parallelizing non-linear sequential models over the sequence length", ICLR 2024,
arXiv 2309.12252, appendix.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from ostinato.core.state import map_state
from ostinato.engines.parallel.affine_map import Matrices
from ostinato.engines.parallel.course import Course
from ostinato.engines.parallel.linearise import METHODS
from ostinato.engines.parallel.trajectory import (
    beginning,
    increments,
    jacobian,
    like_state,
    options_of,
    solve_trajectory,
)

__papers__ = ("deer",)

Residual = Callable[[Tensor, Tensor, Any], Tensor]
"""F: y' and y (rows, N), x, leaves (rows, ...), to (rows, N)."""


def solve_dae(
    residual: Residual, init: Tensor, times: Tensor, xs: Any = None, *, guess: Tensor | None = None
) -> Tensor:
    """Solve F(y', y, x(t)) = 0 from y(t_0) = init, at all times together.

    Tolerance and iterations are those of `ost.newton`; the tolerance is of the last correction,
    relative to the largest state, by default 1e-5 in float32 and 1e-10 in float64.

    Args:
        residual: F; its derivative in y_i must have an inverse.
        init: y at the first time (B, N), which should solve the equation too.
        times: ascending (T,), or (T, B) with times of its own for each row.
        xs: x at these times, a tree with leaves (T, B, ...); None: F is handed None.
        guess: a trajectory (T, B, N) to begin from; None: `init` at all times.

    Returns:
        y at all times (T, B, N); the first is `init`. Gradients reach `init`, `xs` and everything
        that F uses.

    Raises:
        ShapeError: if times, init, xs and guess, or what `residual` returns, do not fit together.
        ArgumentError: inside `ost.newton` with another option than those.
        EngineError: if the iterations do not converge.
    """
    options = options_of("solve_dae", ("tolerance", "iterations"))
    delta = increments(times, init, xs).expand(-1, len(init), 1)
    later_xs = map_state(lambda leaf: leaf[1:].flatten(0, 1), xs)
    flat_delta, form = delta.flatten(0, 1), Matrices()

    def linearised(states: Tensor) -> tuple[Course, Tensor, Tensor]:
        states = states.detach()
        old, new = (part.flatten(0, 1) for part in (states[:-1], states[1:]))

        def equation(before: Tensor, after: Tensor) -> Tensor:
            found = residual((after - before) / flat_delta, after, later_xs)
            return like_state("residual", found, after)

        m0 = jacobian(lambda after: equation(old, after), states[1:], METHODS["full"])
        m1 = jacobian(lambda before: equation(before, new), states[:-1], METHODS["full"])
        gap = equation(old, new).view_as(states[1:])
        solved, failed = torch.linalg.solve_ex(m0, torch.cat([-m1, gap[..., None]], -1))
        # No step from a singular M0: the iteration ends as diverged.
        solved = solved.masked_fill((failed != 0)[..., None, None], torch.nan)
        a, change = solved[..., :-1].detach(), solved[..., -1]
        return Course(form), a, states[1:] - form.apply(a, states[:-1]) - change

    begin = beginning(init, len(times), guess)
    return solve_trajectory(linearised, begin, "The differential-algebraic equation", options)
