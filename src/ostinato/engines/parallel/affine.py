"""`affine_scan`: h_t = A_t h_{t−1} + b_t, the linear recurrence under every parallel engine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ostinato.core.errors import ArgumentError, ShapeError, nearest
from ostinato.core.sequence import restart_steps, valid_steps, zero_padding
from ostinato.engines.parallel.affine_map import Form, Matrices, Pointwise
from ostinato.engines.parallel.course import Course
from ostinato.engines.parallel.recurrence import recur
from ostinato.engines.parallel.sequential import REALS


@dataclass(frozen=True)
class Kind:
    """What A is.

    Attributes:
        form: how it acts.
        a: its axes, in words.
        b: those of b.
        least: axes that b has at least.
        most: axes that b has at most.
    """

    form: Form
    a: str
    b: str
    least: int
    most: int = 99

    def shape(self, b: Tensor) -> tuple[int, ...]:
        """The shape of an A that changes along every axis of b."""
        if self.a == "(T, B, *G)":
            return tuple(b.shape[:-1])
        return (*b.shape, b.shape[-1]) if self.form.axes else tuple(b.shape)


KINDS = {
    "diagonal": Kind(Pointwise(), "(T, B, *N)", "(T, B, *N)", 2),
    "scaled": Kind(Pointwise(), "(T, B, *G)", "(T, B, *G, N)", 3),
    "block": Kind(Matrices(), "(T, B, *U, S, S)", "(T, B, *U, S)", 3),
    "dense": Kind(Matrices(), "(T, B, N, N)", "(T, B, N)", 3, 3),
}


def affine_scan(
    a: Tensor,
    b: Tensor,
    init: Tensor | None = None,
    *,
    kind: str,
    reverse: bool = False,
    lengths: Tensor | Sequence[int] | None = None,
    resets: Tensor | Sequence[Sequence[bool]] | None = None,
) -> Tensor:
    """Solve a linear recurrence for all steps.

        h_t = A_t h_{t−1} + b_t,   t = 0 … T−1,   h_{−1} = init

    On the CPU a compiled loop runs over time, on many channels at once; on CUDA generated
    kernels do, for matrices up to 4×4, in parts of the time side by side where channels are few;
    elsewhere, and without a compiler, log₂ T operations on many steps each. The gradient is exact,
    one scan in the other direction, and can be differentiated again.

        h = ost.affine_scan(torch.rand(100, 8, 16), torch.randn(100, 8, 16), kind="diagonal")

    Time comes first. What `a` and `b` look like depends on the kind; `a` broadcasts against
    these shapes, so that axes may be missing at its front or have size 1, and an A that is the
    same at all steps is never repeated:

    - "diagonal": a ``(T, B, *N)``, b ``(T, B, *N)``, one factor for each channel;
    - "scaled": a ``(T, B, *G)``, b ``(T, B, *G, N)``, one factor for each group of N channels;
    - "block": a ``(T, B, *U, S, S)``, b ``(T, B, *U, S)``, a matrix for each unit of S channels;
    - "dense": a (T, B, N, N), b (T, B, N), one matrix for each row of the batch.

    Args:
        a: A, real or complex, of the dtype of b.
        b: what is added at every step.
        init: h before the first step, like b without time; None: zero.
        kind: "diagonal", "scaled", "block" or "dense".
        reverse: run from the last step to the first, h_t = A_t h_{t+1} + b_t.
        lengths: (B,) valid steps of each row; on later ones h is held.
        resets: (B, T) bool, true on the first step of a new sequence in the order of time: h
            is put back to `init` there.

    Returns:
        h, like b, in the order of time.

    Raises:
        ArgumentError: if there is no such kind.
        ShapeError: if shapes or dtypes do not fit together.
    """
    check(a, b, init, kind)
    steps, batch = b.shape[:2]
    valid = restart = None
    if lengths is not None:
        valid = valid_steps(torch.as_tensor(lengths).to(b.device), batch, steps)
    if resets is not None:
        restart = restart_steps(torch.as_tensor(resets).to(b.device), batch, steps, reverse)
    return recur(*prepare(a, b, init, kind, reverse, valid, restart))


def prepare(
    a: Tensor,
    b: Tensor,
    init: Tensor | None,
    kind: str,
    reverse: bool,
    valid: Tensor | None,
    restart: Tensor | None,
) -> tuple[Course, Tensor, Tensor, Tensor]:
    """Bring arguments that were checked to the form of `recur`: course, a, b, init.

    Args:
        a: as in `affine_scan`.
        b: as in `affine_scan`.
        init: as in `affine_scan`.
        kind: as in `affine_scan`.
        reverse: as in `affine_scan`.
        valid: (T, B) bool, false where h is held.
        restart: (T, B) bool, true where h is put back to `init` before the step.
    """
    form = KINDS[kind].form
    a = a.reshape((1,) * (len(KINDS[kind].shape(b)) - a.dim()) + tuple(a.shape))
    if kind == "scaled":
        a = a.unsqueeze(-1)
    start = b.new_zeros(b.shape[1:]) if init is None else init
    course, b = steer(form, reverse, a, b, init, valid, restart)
    return course, a, b, start


def steer(
    form: Form,
    reverse: bool,
    a: Tensor,
    b: Tensor,
    fresh: Tensor | None,
    valid: Tensor | None,
    restart: Tensor | None,
) -> tuple[Course, Tensor]:
    """The course of a recurrence with masks (T, B), and b as it has to be then.

    Args:
        form: of A.
        reverse: run from the last step to the first.
        a: A, with as many axes as b, and one more for matrices.
        b: (T, B, ...).
        fresh: what h is put back to (B, ...); None: zero.
        valid: false where h is held.
        restart: true where h is put back before the step.
    """
    identity = None if valid is None else ~valid
    if valid is not None:
        b = zero_padding(b, valid)
    if restart is not None and fresh is not None:
        b = _restarted(form, a, b, fresh, identity, restart)
    return Course(form, reverse, identity, restart), b


def _restarted(
    form: Form, a: Tensor, b: Tensor, fresh: Tensor, identity: Tensor | None, cut: Tensor
) -> Tensor:
    """b with what the fresh state brings to the few steps that begin from it."""
    step, row = cut.nonzero(as_tuple=True)
    here = a[step if a.shape[0] > 1 else 0 * step, row if a.shape[1] > 1 else 0 * row]
    if identity is not None:
        here = form.where_identity(here[None], identity[step, row][None])[0]
    return b.index_put((step, row), form.apply(here, fresh[row]), accumulate=True)


def check(a: Tensor, b: Tensor, init: Tensor | None, kind: str) -> None:
    """Raise unless the arguments of `affine_scan` fit together.

    Raises:
        ArgumentError: if there is no such kind.
        ShapeError: if shapes or dtypes do not fit together.
    """
    if kind not in KINDS:
        raise ArgumentError(f"No kind of A is called {kind!r}. {nearest(kind, KINDS)}")
    found = KINDS[kind]
    for name, given in (("a", a), ("b", b), ("init", init)):
        if not isinstance(given, Tensor | None):
            raise ShapeError(
                f"{name} must be a tensor; got {type(given).__name__}: use torch.as_tensor."
            )
    if not found.least <= b.dim() <= found.most:
        raise ShapeError(
            f"A {kind} affine scan needs b {found.b}, time first; got b {list(b.shape)}."
        )
    full = found.shape(b)
    if not _broadcasts(a.shape, full, found.form.axes):
        raise ShapeError(
            f"A {kind} affine scan with b {list(b.shape)} needs a {found.a} that broadcasts to "
            f"{list(full)}; got a {list(a.shape)}."
        )
    if init is not None and init.shape != b.shape[1:]:
        raise ShapeError(
            f"init must be like b without time, {list(b.shape[1:])}; got {list(init.shape)}."
        )
    types = {each.dtype for each in (a, b, init) if each is not None}
    if len(types) != 1 or b.dtype not in REALS:
        raise ShapeError(
            "a, b and init need one dtype of float32, float64, complex64 and complex128; got "
            f"{', '.join(sorted(map(str, types)))}. Convert them with .to(dtype)."
        )


def _broadcasts(shape: Sequence[int], full: Sequence[int], matrix: int) -> bool:
    """Whether a shape broadcasts to the full one; axes of a matrix must be there."""
    fits = all(a in (1, b) for a, b in zip(shape[::-1], full[::-1], strict=False))
    whole = tuple(shape[len(shape) - matrix :]) == tuple(full[len(full) - matrix :])
    return matrix <= len(shape) <= len(full) and fits and whole
