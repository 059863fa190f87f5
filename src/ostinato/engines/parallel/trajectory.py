"""All points of a trajectory together: repeat y_i = A_i y_{i−1} + b_i, linearised anew each time.

What turns a trajectory into A and b is an equation's own: `ode` and `dae` have two. The gradient is
that of b at the solution with A held, so one such recurrence backwards.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from ostinato.core.errors import EngineError, ShapeError
from ostinato.core.recurrence import count_steps
from ostinato.core.statistics import report
from ostinato.engines.parallel.course import Course
from ostinato.engines.parallel.linearise import Core, Group, Method, linearise
from ostinato.engines.parallel.newton import FirstOrder, Outcome, Solve
from ostinato.engines.parallel.recurrence import recur
from ostinato.engines.parallel.solves import current

Linearised = Callable[[Tensor], tuple[Course, Tensor, Tensor]]
"""Of a trajectory (T, B, N), the course, A and b of the steps to its points 1 … T−1."""

# The last correction, relative to the largest state, with which a trajectory is accepted.
_TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-10}


def solve_trajectory(linearised: Linearised, guess: Tensor, name: str) -> Tensor:
    """The trajectory (T, B, N) that the linearised equation leaves as it is.

    `ost.newton` sets tolerance and iterations, and receives the `Solve`, whose residuals are
    corrections here.

    Args:
        linearised: the equation near a trajectory.
        guess: the trajectory to begin from; its first point stays.
        name: of the equation, for messages.

    Raises:
        EngineError: if the iterations do not converge.
    """
    options, corrections = current(), list[float]()
    tolerance = options.tolerance or _TOLERANCE[guess.dtype]
    found, outcome = guess.detach(), Outcome.CAP
    with torch.no_grad():
        while outcome is Outcome.CAP and len(corrections) < options.iterations:
            new = _step(linearised, found, guess)
            corrections.append(float((new - found).abs().max() / (1 + new.abs().max())))
            found = new
            if corrections[-1] <= tolerance:
                outcome = Outcome.CONVERGED
            elif not corrections[-1] < float("inf"):
                outcome = Outcome.DIVERGED
    solve = Solve(outcome, (1.0, *corrections), steps=len(guess))
    report(solve)
    if outcome is not Outcome.CONVERGED:
        raise EngineError(
            f"{name} was not solved: {solve}. Solve a shorter part and go on from its end, begin "
            "from a better guess, or allow more with ost.newton(iterations=...)."
        )
    return FirstOrder.apply(_step(linearised, found, guess))  # type: ignore[no-any-return, no-untyped-call]


def jacobian(function: Callable[[Tensor], Tensor], at: Tensor, method: Method) -> Tensor:
    """The derivative of a function of rows, or what stands for it, without a gradient.

    Args:
        function: (rows, N) -> (rows, N).
        at: where, (T, B, N).
        method: what takes its place.

    Returns:
        (T, B, N, N), or (T, B, N) if the method is pointwise.
    """

    def push(carry: Sequence[Tensor], along: Sequence[Tensor]) -> list[Tensor]:
        return list(torch.func.jvp(function, (carry[0],), (along[0],)))

    core = Core(run=lambda carry: [function(carry[0])], push=push)
    group = Group((0,), (at.shape[2],), dense=True)
    with torch.no_grad():
        return linearise(core, [at.detach().flatten(0, 1)], [group], len(at), method)[0][0]


def increments(times: Tensor, init: Tensor, xs: Any) -> Tensor:
    """Δ_i = t_i − t_{i−1} as (T−1, B or 1, 1).

    Raises:
        ShapeError: unless times are (T,) or (T, B), init is (B, N), and xs has T steps.
    """
    if times.dim() != 1 and times.shape[1:] != init.shape[:1]:
        raise ShapeError(
            f"times must be (T,), or (T, {len(init)}) with a column for each row of init; got "
            f"{list(times.shape)}."
        )
    steps = len(times) if xs is None else count_steps(xs, 0)
    if init.dim() != 2 or not len(times) or steps != len(times):
        raise ShapeError(
            "init must be (B, N), with 1 time or more, and xs must be given at each; got init "
            f"{list(init.shape)}, {len(times)} times and xs at {steps}."
        )
    return times.reshape(len(times), -1, 1).diff(dim=0).to(init.dtype)


def _step(linearised: Linearised, states: Tensor, guess: Tensor) -> Tensor:
    course, a, b = linearised(states)
    return torch.cat([guess[:1], recur(course, a, b, guess[0])])
