"""An ordinary differential equation y' = f(y, x(t)), solved at all times together.

Near a trajectory y^k, with G = −∂f/∂y and z = f + G y^k, the equation is linear, y' = z − G y.
Between two times Ḡ and z̄ are the means of both ends, and Δ their distance:

    y_{j+1} = e^{−ḠΔ} y_j + Ḡ⁻¹ (I − e^{−ḠΔ}) z̄ = (I − H X) y_j + H z̄ Δ
    X = ḠΔ,   H = I − X/2 + X²/6 − X³/24 ≈ X⁻¹ (I − e^{−X})

Second order in Δ. Lim, Zhu, Selfridge & Kasim, "Parallelizing non-linear sequential models over
the sequence length", ICLR 2024, arXiv 2309.12252. As there, the gradient holds G: it is that of
the equation, to second order in Δ, not that of the discretised solution to the last digit.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor

from ostinato.core.state import map_state
from ostinato.engines.parallel.affine_map import Form, Matrices, Pointwise
from ostinato.engines.parallel.course import Course
from ostinato.engines.parallel.trajectory import (
    beginning,
    increments,
    jacobian,
    like_state,
    options_of,
    solve_trajectory,
)

__papers__ = ("deer",)

Field = Callable[[Tensor, Any], Tensor]
"""f: y (rows, N) and x, leaves (rows, ...), to y' (rows, N)."""


def solve_ode(
    field: Field, init: Tensor, times: Tensor, xs: Any = None, *, guess: Tensor | None = None
) -> Tensor:
    """Solve y' = f(y, x(t)), y(t_0) = init, at all times together.

    The equation must not be stiff from one time to the next: ∂f/∂y · Δ well below 3. Method,
    tolerance and iterations are those of `ost.newton`; the tolerance is of the last correction,
    relative to the largest state, by default 1e-5 in float32 and 1e-10 in float64.

        times = torch.linspace(0, 10, 1001)
        y = solve_ode(lambda y, x: y @ rotation, torch.tensor([[1.0, 0.0]]), times)

    Args:
        field: f.
        init: y at the first time (B, N).
        times: ascending (T,), or (T, B) with times of its own for each row.
        xs: x at these times, a tree with leaves (T, B, ...); None: f is handed None.
        guess: a trajectory (T, B, N) to begin from; None: `init` at all times.

    Returns:
        y at all times (T, B, N); the first is `init`. Gradients reach `init`, `xs` and everything
        that f uses.

    Raises:
        ShapeError: if times, init, xs and guess, or what `field` returns, do not fit together.
        ArgumentError: inside `ost.newton` with another option than those.
        EngineError: if the iterations do not converge.
    """
    options = options_of("solve_ode", ("method", "tolerance", "iterations"))
    delta, method = increments(times, init, xs), options.jacobian
    steps, rows = len(times), len(init)
    flat_xs = map_state(lambda leaf: leaf.flatten(0, 1), xs)
    form: Form = Pointwise() if method.pointwise else Matrices()

    def change(y: Tensor) -> Tensor:
        return like_state("field", field(y, flat_xs), y)

    def linearised(states: Tensor) -> tuple[Course, Tensor, Tensor]:
        states = states.detach()
        g = -jacobian(change, states, method)
        values = change(states.flatten(0, 1)).view(steps, rows, -1)
        z = values + form.apply(g, states)
        return Course(form), *_interval(form, _middle(g), _middle(z), delta)

    begin = beginning(init, steps, guess)
    return solve_trajectory(linearised, begin, "The differential equation", options)


def _interval(form: Form, g: Tensor, z: Tensor, delta: Tensor) -> tuple[Tensor, Tensor]:
    """A and b of the step over an interval with constant G and z."""
    one = form.one(g)
    x = g * (delta[..., None] if form.axes else delta)
    # e^{−X} and its integral to third order, so that no inverse of a singular G is taken.
    h = one - x / 4
    for divisor in (3, 2):
        h = one - form.compose(x, h) / divisor
    return one - form.compose(h, x), form.apply(h, z * delta)


def _middle(values: Tensor) -> Tensor:
    return (values[1:] + values[:-1]) / 2
