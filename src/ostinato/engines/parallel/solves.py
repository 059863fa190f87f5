"""`newton`: options of Newton's method for the calls inside a block, and what became of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from ostinato.core.recurrence import Recurrence
from ostinato.core.state import State
from ostinato.core.statistics import collected
from ostinato.engines.parallel.newton import Solve
from ostinato.engines.parallel.options import Newton

_CURRENT: ContextVar[Newton] = ContextVar("ostinato_newton")


@contextmanager
def newton(
    method: str = "full",
    *,
    scale: float = 1.0,
    relaxation: float = 1.0,
    damping: float = 0.0,
    shrink: bool = True,
    smooth: bool = False,
    tolerance: float | None = None,
    iterations: int = 100,
    window: int | None = None,
    guess: State | Callable[[Recurrence], State] | None = None,
    unsolved: str = "sequential",
    recompute: bool = False,
    trace: bool = False,
) -> Iterator[list[Solve]]:
    """Choose how `engine="parallel"` solves nonlinear steps inside the block, and see how it went.

    For example::

        with ost.newton(window=512) as solves:
            y, state = ost.RNN(cell, engine="parallel")(x)
        print(*solves, sep="\\n")

    Values and gradients are those of the step itself whatever is chosen here, `unsolved="warn"`
    aside: states are accepted by their residual, every row of the batch by itself, and rows that
    are not solved run on another engine, with a warning in the log.

    Args:
        method: "full" takes the Jacobian of the step, whose structure is read off its graph;
            "quasi" its diagonal: cheaper scans, more of them; "picard" 1 and "jacobi" 0 instead:
            no derivative at all, up to as many iterations as steps. Where more than 64 elements
            depend on each other only these three can be taken, and the gradient of the states
            goes back step by step.
        scale: α, a factor of what stands for the Jacobian; below 1 it damps.
        relaxation: ω, the share of every correction that is made: h + ω (h' − h).
        damping: λ = 1/σ² of a trust region that keeps states near those of the iteration before
            (ELK). For steps on the edge of chaos, 0.01 to 1; 0: none.
        shrink: whether λ falls with the residual of a row, so that it vanishes at the solution;
            else it is fixed, as σ² of the paper is: `damping=1e-6, shrink=False` is σ² = 10⁶.
        smooth: solve the problem of the trust region exactly, by a Kalman smoother, in which
            later steps act on earlier ones; else by the filter, in which they do not.
        tolerance: largest element of h_t − f(h_{t−1}), relative to the larger of these two states
            where that is above 1; None: 1e-5 in float32, 1e-12 in float64.
        iterations: after so many a row is given up.
        window: steps that are solved together, each window from the end of the one before;
            None: as many as keep the Jacobians below 2¹⁹ numbers on a CPU, whose caches hold
            these, and below 2²⁴ elsewhere.
        guess: states to begin from, leaves (T, B, ...) in the order of time: those of a whole
            call, or `(recurrence) -> states` for each window, which begins at step
            `recurrence.first`; None: f(init, x_t).
        unsolved: what becomes of rows that are not solved. "sequential": another engine runs
            them. "warn": they stay as they are, approximations. Both warn in the log. "error": an
            `EngineError`.
        recompute: find the Jacobians again for the gradient instead of keeping those of all
            windows, which are T·B·S² numbers where S elements depend on each other.
        trace: keep the states after every iteration, `Solve.trace`, to see how it went.

    Yields:
        A list that grows by one `Solve` for every window: outcome, iterations, residuals, the
        rows that failed, and the engine that ran them instead. Of a single call
        `return_stats=True` tells the same.

    Raises:
        ArgumentError: if an option has no such value.
    """
    options = Newton(
        method,
        scale=scale,
        relaxation=relaxation,
        damping=damping,
        shrink=shrink,
        smooth=smooth,
        tolerance=tolerance,
        iterations=iterations,
        window=window,
        guess=guess,
        unsolved=unsolved,
        recompute=recompute,
        trace=trace,
    )
    token = _CURRENT.set(options)
    try:
        with collected() as solves:
            yield solves
    finally:
        _CURRENT.reset(token)


def current() -> Newton:
    """The options of the innermost block, or the defaults."""
    return _CURRENT.get(Newton())
