"""The affine recurrence in O(log T) operations on many steps each; all of them torch's own.

Steps are joined in pairs, the recurrence of half the length is solved, and the steps between
are filled in. The products of A along the whole sequence, which a scan over pairs (A, b) would
compute too, are never needed; and an A that is the same at all steps stays one.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ostinato.core.state import rows_like
from ostinato.engines.parallel.affine_map import Form
from ostinato.engines.parallel.course import Course

# Elements of A or b that are worked on at once; beyond, time is cut into windows.
_WINDOW = 2**24


def log_depth(
    course: Course, a: Tensor, b: Tensor, init: Tensor, window: int | None = None
) -> Tensor:
    """h_t = A_t h_{t−1} + b_t for all t, (T, B, ...).

    Args:
        course: form, direction and masks.
        a: A, time first, with size 1 along an axis where it does not change.
        b: (T, B, ...), T ≥ 1.
        init: h before the first step (B, ...).
        window: steps that are solved together; None: what bounds the memory.
    """
    form = course.form
    a, b, cut = in_scan_order(course, a, b)
    largest = max(b[0].numel(), a[0].numel())
    window = window or max(64, _WINDOW // max(largest, 1))
    pieces = []
    for first in range(0, len(b), window):
        steps = slice(first, first + window)
        mask = None if cut is None else cut[steps]
        part = pick(a, steps)
        pieces.append(_solve(form, part, begin(form, part, b[steps], init, mask), mask))
        init = pieces[-1][-1]
    h = torch.cat(pieces)
    return h.flip(0) if course.reverse else h


def in_scan_order(course: Course, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
    """A, b and the cuts in the order in which they are run, A with its identities filled in."""
    cut = course.cut
    if course.identity is not None:
        a = course.form.where_identity(a, course.identity)
    if course.reverse:
        a, b, cut = a.flip(0), b.flip(0), None if cut is None else cut.flip(0)
    return a, b, cut


def begin(form: Form, a: Tensor, b: Tensor, init: Tensor, cut: Tensor | None) -> Tensor:
    """b, the first step of which holds what comes from `init`, so that zero may precede it."""
    first = join(form, a[:1], init[None], b[:1], None if cut is None else cut[:1])
    return torch.cat([first, b[1:]])


def pick(a: Tensor, steps: slice) -> Tensor:
    """Some steps of A, which may be the same at all."""
    return a if a.shape[0] == 1 else a[steps]


def _solve(form: Form, a: Tensor, b: Tensor, cut: Tensor | None) -> Tensor:
    """The recurrence from zero."""
    steps = b.shape[0]
    if steps == 1:
        return b
    odd = _solve(form, *_pairs(form, a, b, cut))
    rest = slice(2, None, 2)
    before = odd[: (steps - 1) // 2]
    even = join(form, pick(a, rest), before, b[rest], None if cut is None else cut[rest])
    return interleave(torch.cat([b[:1], even]), odd, 0)


def summary(form: Form, a: Tensor, b: Tensor, cut: Tensor | None) -> tuple[Tensor, Tensor]:
    """The product of all A, and the last state from zero, as one step (1, B, ...), if T ≥ 1.

    After a cut nothing of the product holds; who uses it has to know.
    """
    steps = b.shape[0]
    if steps == 1:
        return a, b
    product, last = summary(form, *_pairs(form, a, b, cut))
    if steps % 2:
        end = pick(a, slice(-1, None))
        last = join(form, end, last, b[-1:], None if cut is None else cut[-1:])
        product = form.compose(end, product)
    return product, last


def _pairs(
    form: Form, a: Tensor, b: Tensor, cut: Tensor | None
) -> tuple[Tensor, Tensor, Tensor | None]:
    """The recurrence over pairs of steps; an odd last step is left out."""
    left, right = slice(0, len(b) - 1, 2), slice(1, None, 2)
    joined = join(form, pick(a, right), b[left], b[right], None if cut is None else cut[right])
    product = form.compose(pick(a, right), pick(a, left))
    return product, joined, None if cut is None else cut[left] | cut[right]


def join(form: Form, a: Tensor, h: Tensor, b: Tensor, cut: Tensor | None) -> Tensor:
    """A h + b, and b alone after a cut: what is cut off may be NaN."""
    joined = form.apply(a, h) + b
    return joined if cut is None else torch.where(rows_like(cut, b), b, joined)


def interleave(even: Tensor, odd: Tensor, dim: int) -> Tensor:
    """Even and odd steps in order; there may be one more even step."""
    count = odd.shape[dim]
    both = torch.stack([even.narrow(dim, 0, count), odd], dim + 1).flatten(dim, dim + 1)
    if even.shape[dim] == count:
        return both
    return torch.cat([both, even.narrow(dim, count, 1)], dim)
