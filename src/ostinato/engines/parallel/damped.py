"""A step of Newton's method that stays near the states it begins from: ELK.

    s_t = F_t s_{t−1} + b_t + noise of variance 1,   y_t = s_t + noise of variance 1/λ

The states are the means of a Kalman filter that is told the states of the iteration before, y, as
if they were observed: λ = 0 is Newton's step, λ = ∞ none. The filter is an associative scan
(Särkkä & García-Fernández, "Temporal parallelization of Bayesian smoothers", IEEE TAC 2021, arXiv
1905.13002). Gonzalez et al., "Towards Scalable and Stable Parallelization of Nonlinear RNNs",
NeurIPS 2024, arXiv 2407.19115, whose equations are those of the smoother and whose code takes the
filter. The means of the smoother solve the problem of Levenberg and Marquardt,

    min ½ Σ_t |s_t − F_t s_{t−1} − b_t|² + ½ λ Σ_t |s_t − y_t|²

and are one affine recurrence backwards over the filter's; but they let what is not solved yet act
on what is.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ostinato.core.state import rows_like
from ostinato.engines.parallel.affine_map import Form
from ostinato.engines.parallel.associative import associative_scan
from ostinato.engines.parallel.course import Course
from ostinato.engines.parallel.log_depth import begin, in_scan_order
from ostinato.engines.parallel.recurrence import recur

__papers__ = ("deer",)

Element = tuple[Tensor, Tensor, Tensor, Tensor, Tensor]
"""Steps joined to one: p(s | s₀) = N(A s₀ + b, C), and what the observations say of s₀, (J, η)."""


def damped(
    course: Course,
    a: Tensor,
    b: Tensor,
    init: Tensor,
    near: Tensor,
    damping: Tensor,
    smooth: bool = False,
) -> Tensor:
    """The states s (T, B, ...).

    Args:
        course: of the linearised recurrence.
        a: F, as in `recur`.
        b: as in `recur`.
        init: s before the first step (B, ...).
        near: y (T, B, ...).
        damping: λ of each row (B,).
        smooth: take the means of the smoother.
    """
    form = course.form
    a, b, cut = in_scan_order(course, a, b)
    near = near.flip(0) if course.reverse else near
    b = begin(form, a, b, init, cut)
    if cut is not None:
        a = a.masked_fill(cut.reshape(cut.shape + (1,) * (a.dim() - 2)), 0)
    a = torch.cat([torch.zeros_like(a[:1]), a[1:]])
    _, states, spread, _, _ = _filter(form, a, b, near, damping)
    if smooth:
        states = _smoothed(form, a[1:], b[1:], states, spread[:-1])
    return states.flip(0) if course.reverse else states


def _smoothed(form: Form, a: Tensor, b: Tensor, states: Tensor, spread: Tensor) -> Tensor:
    """Means that know all observations, from those of the filter, which know the ones so far.

    Args:
        form: of F.
        a: F of all steps but the first.
        b: of all steps but the first.
        states: the filter's means.
        spread: its covariances after all steps but the last.
    """
    moved = form.compose(spread, form.adjoint(a))
    gain = form.compose(moved, _inverse(form, form.compose(a, moved) + form.one(a)))
    rest = states[:-1] - form.apply(gain, form.apply(a, states[:-1]) + b)
    return torch.cat([recur(Course(form, reverse=True), gain, rest, states[-1]), states[-1:]])


def _filter(form: Form, a: Tensor, b: Tensor, near: Tensor, damping: Tensor) -> Element:
    """All steps up to each one joined; of these, b is the mean of the state."""
    gain = rows_like(damping / (1 + damping), b[0])
    back, one = form.adjoint(a), form.one(a)
    off = near - b
    of_a = rows_like(gain, a[0])
    elements = (
        (1 - of_a) * a,
        b + gain * off,
        (1 - of_a) * one.expand_as(a),
        of_a * form.compose(back, a),
        gain * form.apply(back, off),
    )

    def combine(earlier: Element, later: Element) -> Element:
        a1, b1, c1, j1, n1 = earlier
        a2, b2, c2, j2, n2 = later
        through = form.compose(a2, _inverse(form, one + form.compose(c1, j2)))
        up = form.compose(form.adjoint(a1), _inverse(form, one + form.compose(j2, c1)))
        return (
            form.compose(through, a1),
            form.apply(through, b1 + form.apply(c1, n2)) + b2,
            form.compose(form.compose(through, c1), form.adjoint(a2)) + c2,
            form.compose(form.compose(up, j2), a1) + j1,
            form.apply(up, n2 - form.apply(j2, b1)) + n1,
        )

    found: Element = associative_scan(combine, elements)
    return found


def _inverse(form: Form, a: Tensor) -> Tensor:
    # An A that left the range of numbers has no inverse; its states are given up anyway.
    return torch.linalg.inv_ex(a)[0] if form.axes else a.reciprocal()
