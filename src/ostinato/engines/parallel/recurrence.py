"""The affine recurrence as one operation with an exact gradient.

    h_t = A_t h_{t−1} + b_t

Its gradient is the same recurrence, run the other way over the adjoint matrices:

    λ_{t−1} = A_tᴴ λ_t + g_{t−1},   db_t = λ_t,   dA_t = λ_t h_{t−1}ᴴ,   dinit = A_0ᴴ λ_0
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from ostinato.core.state import rows_like
from ostinato.engines.parallel import sequential
from ostinato.engines.parallel.affine_map import Form
from ostinato.engines.parallel.course import Course
from ostinato.engines.parallel.full_precision import full_precision
from ostinato.engines.parallel.log_depth import log_depth, pick


def recur(course: Course, a: Tensor, b: Tensor, init: Tensor) -> Tensor:
    """h (T, B, ...), in the order of time; differentiable any number of times.

    Args:
        course: form, direction and masks.
        a: A, time first, with as many axes as b (and one more for matrices), of size 1 where
            it does not change.
        b: (T, B, ...).
        init: (B, ...).
    """
    if not len(b):
        return b + init
    if transformed():
        # What torch.func and forward mode follow is torch's own operations.
        with full_precision(b):
            return log_depth(course, a, b, init)
    return _Recurrence.apply(course, a, b, init)  # type: ignore[no-any-return, no-untyped-call]


def described(form: Form, a: Tensor, b: Tensor) -> str:
    """How `recur` evaluates such a recurrence, in words."""
    loop = None if transformed() else _loop(form, b)
    if loop is None:
        return "scan: torch's operations, log₂ T deep"
    return loop.describe(form, a, b)  # type: ignore[no-any-return]


class _Recurrence(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, course: Course, a: Tensor, b: Tensor, init: Tensor) -> Tensor:
        h = _room(course.form, b)
        with full_precision(b):
            _evaluate(course, a, b, init, h)
        ctx.course = course
        ctx.save_for_backward(a, init, h)
        return h

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        with full_precision(grads[0]):
            return _back(ctx, *grads)


def _back(ctx: Any, grad: Tensor) -> Any:
    """The gradients of `_Recurrence`."""
    course, (a, init, h) = ctx.course, ctx.saved_tensors
    _, wants_a, _, wants_init = ctx.needs_input_grad
    if torch.is_grad_enabled():
        adjoint = course.form.adjoint(pick(a, course.later))
        end = grad[course.last]
        rest = grad[course.earlier]
        rest = recur(course.backwards(), adjoint, rest, end[0])
        flow, grad_a = course.backwards().in_order(end, rest), None
    else:
        flow, grad_a = _flow_back(course, a, h, grad, wants_a)
    if wants_a:
        grad_a = _outer(course, a, flow, h, init, grad_a)
    return None, grad_a, flow, _first_back(course, a, flow) if wants_init else None


def flow_back(course: Course, a: Tensor, grad: Tensor) -> Tensor:
    """λ (T, B, ...), the gradient of b, from that of h; not differentiable.

    Args:
        course: of the recurrence.
        a: A, as in `recur`.
        grad: the gradient of h (T, B, ...).
    """
    with full_precision(grad):
        return _flow_back(course, a, grad, grad, wants_a=False)[0]


def _flow_back(
    course: Course, a: Tensor, h: Tensor, grad: Tensor, wants_a: bool
) -> tuple[Tensor, Tensor | None]:
    """λ, and the gradient of A at all steps but the first where the loop can find it."""
    form, earlier, later = course.form, course.earlier, course.later
    flow, loop = _room(form, h), _loop(form, h)
    flow[course.last] = grad[course.last]
    found = loop.room_for_gradient(form, a, h) if wants_a and loop is not None else None
    before = None if found is None else h[earlier]
    _evaluate(
        course.backwards(),
        form.adjoint(pick(a, later)),
        grad[earlier],
        grad[course.last][0],
        flow[earlier],
        before,
        None if found is None else found[later],
    )
    return flow, found


def _outer(
    course: Course, a: Tensor, flow: Tensor, h: Tensor, init: Tensor, found: Tensor | None
) -> Tensor:
    """The gradient of A, summed over axes where A does not change.

    Args:
        course: of the recurrence.
        a: A.
        flow: λ.
        h: the states.
        init: h before the first step.
        found: room in which all steps but the first are filled already, if there is one.
    """
    form, steps = course.form, len(h)
    for mask in (course.identity, course.cut):
        if mask is not None:
            flow = flow.masked_fill(rows_like(mask, flow), 0)
    start = form.outer(flow[course.first], init[None], torch.Size((1, *a.shape[1:])))
    if found is not None:
        found[course.first] = start
        return found
    along = 1 if a.shape[0] == 1 else steps - 1
    rest = form.outer(flow[course.later], h[course.earlier], torch.Size((along, *a.shape[1:])))
    return start + rest if a.shape[0] == 1 else course.in_order(start, rest)


def _first_back(course: Course, a: Tensor, flow: Tensor) -> Tensor:
    """The gradient of the initial state."""
    first = course.first
    if course.identity is not None:
        a = course.form.where_identity(pick(a, first), course.identity[first])
    back = course.form.apply(course.form.adjoint(pick(a, first)), flow[first])
    if course.cut is not None:
        back = back.masked_fill(rows_like(course.cut[first], back), 0)
    return back[0]


def _evaluate(
    course: Course,
    a: Tensor,
    b: Tensor,
    init: Tensor,
    out: Tensor,
    before: Tensor | None = None,
    grad: Tensor | None = None,
) -> None:
    loop = _loop(course.form, b)
    if loop is not None:
        loop.run(course, a, b, init, out, before, grad)
    elif len(b):
        out.copy_(log_depth(course, a, b, init))


def _loop(form: Form, b: Tensor) -> ModuleType | None:
    """What runs such recurrences, C++ or Triton; None: torch's own operations."""
    if sequential.compiled(b):
        return sequential
    # Imported here: on the CPU nothing else is needed.
    from ostinato.engines.parallel.device import scan

    return scan if scan.compiled(form, b) else None


def _room(form: Form, like: Tensor) -> Tensor:
    """Room for states."""
    loop = _loop(form, like)
    return torch.empty_like(like) if loop is None else loop.room(form, like)


def transformed() -> bool:
    """Whether a transform of torch.func, or forward mode, looks at the operations."""
    inside = torch._C._functorch.peek_interpreter_stack() is not None
    return inside or torch.autograd.forward_ad._current_level >= 0
