"""All points of a trajectory together: repeat y_i = A_i y_{i−1} + b_i, linearised anew each time.

What turns a trajectory into A and b is an equation's own: `ode` and `dae` have two. The gradient is
that of b at the solution with A held, so one such recurrence backwards.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import fields
from typing import Any

import torch
from torch import Tensor

from ostinato.core.errors import ArgumentError, EngineError, ShapeError
from ostinato.core.recurrence import count_steps
from ostinato.core.statistics import report
from ostinato.engines.parallel.course import Course
from ostinato.engines.parallel.full_precision import full_precision
from ostinato.engines.parallel.implicit import FirstOrder
from ostinato.engines.parallel.linearise import Core, Group, Method, linearise
from ostinato.engines.parallel.newton import Outcome, Solve
from ostinato.engines.parallel.options import Newton
from ostinato.engines.parallel.recurrence import recur
from ostinato.engines.parallel.solves import current

Linearised = Callable[[Tensor], tuple[Course, Tensor, Tensor]]
"""Of a trajectory (T, B, N), the course, A and b of the steps to its points 1 … T−1."""

# The last correction, relative to the largest state of a row, with which a trajectory is accepted.
_TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-10}


def solve_trajectory(linearised: Linearised, guess: Tensor, name: str, options: Newton) -> Tensor:
    """The trajectory (T, B, N) that the linearised equation leaves as it is.

    The list of `ost.newton` receives the `Solve`, which tells corrections: the first, before any
    iteration, is not known.

    Args:
        linearised: the equation near a trajectory.
        guess: the trajectory to begin from; its first point stays.
        name: of the equation, for messages.
        options: tolerance and iterations.

    Raises:
        EngineError: if the iterations do not converge.
    """
    corrections = [math.inf]
    tolerance = options.tolerance or _TOLERANCE[guess.dtype]
    found, outcome = guess.detach(), Outcome.CAP
    with torch.no_grad(), full_precision(guess):
        while outcome is Outcome.CAP and len(corrections) <= options.iterations:
            new = _step(linearised, found, guess)
            corrections.append(_largest(new - found, new))
            found = new
            if corrections[-1] <= tolerance:
                outcome = Outcome.CONVERGED
            elif not math.isfinite(corrections[-1]):
                outcome = Outcome.DIVERGED
    solve = Solve(outcome, tuple(corrections), steps=len(guess), measure="correction")
    report(solve)
    if outcome is not Outcome.CONVERGED:
        raise EngineError(
            f"{name} was not solved: {solve}. Solve a shorter part and go on from its end, begin "
            "from a better guess, or allow more with ost.newton(iterations=...)."
        )
    with full_precision(guess):
        return FirstOrder.apply(_step(linearised, found, guess))  # type: ignore[no-any-return, no-untyped-call]


def options_of(name: str, known: Sequence[str]) -> Newton:
    """The options of `ost.newton` around a call that heeds some of them.

    Args:
        name: of the function that is called.
        known: the options it heeds.

    Raises:
        ArgumentError: if another one is set.
    """
    options = current()
    for field in fields(options):
        if field.name not in known and getattr(options, field.name) != field.default:
            raise ArgumentError(
                f"{name} has no use for {field.name} of ost.newton, only for {', '.join(known)}. "
                f"Call it outside the block, or in one without {field.name}; what a trajectory "
                "begins from is its own argument, guess."
            )
    return options


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
    group = Group((0,), (at.shape[2],))
    # Forward mode lays a derivative out like the point, where no two elements may share memory.
    point = at.detach().flatten(0, 1).contiguous()
    with torch.no_grad():
        found, _ = linearise(core, [point], [group], len(at), method)[0]
    # Of a single element A is a number.
    return found if method.pointwise else found.reshape(*at.shape, at.shape[2])


def increments(times: Tensor, init: Tensor, xs: Any) -> Tensor:
    """Δ_i = t_i − t_{i−1} as (T−1, B or 1, 1).

    Raises:
        ShapeError: unless times are (T,) or (T, B), init is (B, N) of single or double precision,
            and xs has T steps.
    """
    for what, given in (("times", times), ("init", init)):
        if not isinstance(given, Tensor):
            raise ShapeError(f"{what} must be a tensor; got {type(given).__name__}.")
    if init.dtype not in _TOLERANCE:
        raise ShapeError(f"init must be float32 or float64; got {init.dtype}: use .float().")
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


def beginning(init: Tensor, steps: int, guess: Tensor | None) -> Tensor:
    """The trajectory (T, B, N) to begin from: `init` at all times, or a guess behind it.

    Raises:
        ShapeError: if the guess is no such trajectory.
    """
    if guess is None:
        return init.expand(steps, *init.shape)
    if not isinstance(guess, Tensor) or guess.shape != (steps, *init.shape):
        got = list(guess.shape) if isinstance(guess, Tensor) else type(guess).__name__
        raise ShapeError(f"guess must be a trajectory {[steps, *init.shape]}; got {got}.")
    return torch.cat([init[None], guess[1:].to(init)])


def like_state(name: str, value: Tensor, state: Tensor) -> Tensor:
    """What an equation returns, if it is like the state (rows, N).

    Args:
        name: of the function that returned it.
        value: what it returned.
        state: what it was given.

    Raises:
        ShapeError: if it is not.
    """
    if not isinstance(value, Tensor) or (value.shape, value.dtype) != (state.shape, state.dtype):
        tensor = isinstance(value, Tensor)
        got = f"{list(value.shape)} {value.dtype}" if tensor else type(value).__name__
        raise ShapeError(
            f"{name} must return a tensor like y, {list(state.shape)} {state.dtype} (rows, N); "
            f"got {got}."
        )
    return value


def _largest(change: Tensor, states: Tensor) -> float:
    """The largest change (T, B, N), relative to the largest state of its row."""
    return float((change.abs().amax((0, 2)) / (1 + states.abs().amax((0, 2)))).max())


def _step(linearised: Linearised, states: Tensor, guess: Tensor) -> Tensor:
    course, a, b = linearised(states)
    return torch.cat([guess[:1], recur(course, a, b, guess[0])])
