"""The affine scan over a sequence whose parts lie on different processes.

Every process joins its own steps to one step (A, b), all exchange these, and each joins those
before its own to the state that enters its part. Two scans of T/R steps instead of one of T, and
one exchange of a single step, forward and backward.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch import distributed as dist

from ostinato.core.errors import ArgumentError
from ostinato.core.sequence import restart_steps, valid_steps
from ostinato.engines.parallel.affine import check, prepare
from ostinato.engines.parallel.course import Course
from ostinato.engines.parallel.log_depth import begin, in_scan_order, join, summary
from ostinato.engines.parallel.recurrence import recur


def sharded_affine_scan(
    a: Tensor,
    b: Tensor,
    init: Tensor | None = None,
    *,
    kind: str,
    reverse: bool = False,
    lengths: Tensor | Sequence[int] | None = None,
    resets: Tensor | Sequence[Sequence[bool]] | None = None,
    group: Any = None,
) -> Tensor:
    """`affine_scan` of a sequence that is cut along time among the processes of a group.

    Process r holds part r of the steps; parts may differ in length. Every process of the group
    has to call this, and later `backward`, in the same order. The gradients are those of the sum
    of all processes' losses; that of `init` arrives on the process that begins.

    Args:
        a: this part of A; an A that is the same at all steps is the same everywhere.
        b: this part of b.
        init: h before the first step of the whole, the same everywhere.
        kind: as in `affine_scan`.
        reverse: as in `affine_scan`.
        lengths: (B,) valid steps of each row of the whole.
        resets: (B, T) bool, this part of them.
        group: the processes; None: all.

    Returns:
        This part of h.

    Raises:
        ArgumentError: if no process group was initialised.
        ShapeError: if shapes or dtypes do not fit together.
    """
    if not (dist.is_available() and dist.is_initialized()):
        raise ArgumentError(
            "A sharded scan needs a process group; call torch.distributed.init_process_group "
            "first, or use affine_scan for a sequence in one piece."
        )
    check(a, b, init, kind)
    order = list(range(dist.get_world_size(group)))[:: -1 if reverse else 1]
    before = order[: order.index(dist.get_rank(group))]
    valid, restart = _masks(b, lengths, resets, reverse, group)
    course, a, b, start = prepare(a, b, init, kind, reverse, valid, restart)
    # Also where it is not used, so that all processes take part in the exchange of gradients.
    begins = torch.tensor(not before, device=b.device)
    enters = torch.where(begins, start, 0)
    parts = _exchange(course, a, b, enters, group)
    for n, k in enumerate(before):
        product, last, blocked = parts[k]
        enters = (join(course.form, product, enters[None], last, blocked) if n else last)[0]
    unused = torch.stack([last.sum() for _, last, _ in parts]).sum()
    return recur(course, a, b, torch.where(torch.ones_like(begins), enters, unused))


Part = tuple[Tensor, Tensor, Tensor]
"""All steps of a process as one: the product of A, the last state, and whether rows were cut."""


def _exchange(course: Course, a: Tensor, b: Tensor, init: Tensor, group: Any) -> list[Part]:
    """The parts of all processes."""
    product, last = _joined(course, a, b, init)
    cut = course.cut if course.cut is not None else b.new_zeros(1, b.shape[1], dtype=torch.bool)
    blocked = _all(cut.any(0, keepdim=True), group)
    sent = torch.cat([product.flatten(), last.flatten()])
    real = torch.view_as_real(sent) if sent.is_complex() else sent
    received = _Gather.apply(real, group)  # type: ignore[no-untyped-call]
    parts = torch.view_as_complex(received) if sent.is_complex() else received
    sizes = [product.numel(), last.numel()]
    return [
        (each[0].view_as(product), each[1].view_as(last), mask)
        for each, mask in zip((part.split(sizes) for part in parts), blocked, strict=True)
    ]


def _joined(course: Course, a: Tensor, b: Tensor, init: Tensor) -> tuple[Tensor, Tensor]:
    """The product of all A, and the last state from `init` (1, B, ...)."""
    form = course.form
    if not len(b):
        # With lengths, A has become one for each row on the other processes.
        rows = 1 if course.identity is None else b.shape[1]
        none = torch.ones(1, rows, dtype=torch.bool, device=a.device)
        # Sums of nothing, through which gradients flow all the same.
        return form.where_identity(a.sum(0, keepdim=True), none), init + b.sum(0, keepdim=True)
    a, b, cut = in_scan_order(course, a, b)
    return summary(form, a, begin(form, a, b, init, cut), cut)


def _masks(
    b: Tensor,
    lengths: Tensor | Sequence[int] | None,
    resets: Tensor | Sequence[Sequence[bool]] | None,
    reverse: bool,
    group: Any,
) -> tuple[Tensor | None, Tensor | None]:
    """This part of the masks of `affine_scan`, valid and restart."""
    (steps, batch), valid, restart = b.shape[:2], None, None
    if lengths is not None:
        sizes = [int(size) for size in _all(torch.tensor([steps], device=b.device), group)]
        first = sum(sizes[: dist.get_rank(group)])
        lengths = torch.as_tensor(lengths).to(b.device)
        valid = valid_steps(lengths, batch, sum(sizes))[first : first + steps]
    if resets is not None:
        resets = torch.as_tensor(resets).to(b.device)
        restart = restart_steps(resets, batch, steps, reverse)
        if reverse:
            restart = _with_next(resets, restart, group)
    return valid, restart


def _with_next(resets: Tensor, restart: Tensor, group: Any) -> Tensor:
    """Backwards in time, a sequence also begins at the end of a part if the next part is new."""
    begins = resets[:, :1].any(1)
    empty = resets.new_full((1,), resets.shape[1] == 0)
    firsts = _all(torch.cat([begins, empty]), group)[dist.get_rank(group) + 1 :]
    follows = next((each[:-1] for each in firsts if not each[-1]), torch.zeros_like(begins))
    return torch.cat([restart[:-1], follows[None]]) if len(restart) else restart


def _all(tensor: Tensor, group: Any) -> list[Tensor]:
    """What every process holds, in the order of their ranks."""
    found = [torch.empty_like(tensor) for _ in range(dist.get_world_size(group))]
    dist.all_gather(found, tensor.contiguous(), group=group)
    return found


class _Gather(torch.autograd.Function):
    """What every process holds, stacked; the gradient of each returns to where it came from."""

    @staticmethod
    def forward(ctx: Any, tensor: Tensor, group: Any) -> Tensor:
        ctx.group = group
        return torch.stack(_all(tensor, group))

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        total = _Sum.apply(grads[0], ctx.group)  # type: ignore[no-untyped-call]
        return total[dist.get_rank(ctx.group)], None


class _Sum(torch.autograd.Function):
    """The sum over all processes, and so is its gradient."""

    @staticmethod
    def forward(ctx: Any, tensor: Tensor, group: Any) -> Tensor:
        ctx.group = group
        total = tensor.contiguous().clone()
        dist.all_reduce(total, group=group)
        return total

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        return _Sum.apply(grads[0], ctx.group), None  # type: ignore[no-untyped-call]
