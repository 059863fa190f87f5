"""Which elements of the old carry every value of a core may reach, and with which degree.

The core is run on marks instead of numbers. Every element of a value carries its degree in the
whole carry, its degree in each leaf, and for each leaf two intervals that it may depend on: of
elements, and of columns, which are places along the last axis of a leaf that has several. They
are kept as size − first and last + 1. So 0 means nothing, and what several elements may reach
together is the maximum of their marks: operations that move elements are run on marks as they
are, all others combine marks by what they combine.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from enum import IntEnum
from typing import Any, cast

import torch
from torch import Tensor, fx, nn
from torch.utils import _pytree as pytree

from ostinato.compiler.fission import Fission, is_size
from ostinato.compiler.rows import count
from ostinato.compiler.stages import stages
from ostinato.core.clip_gradient import OPERATION

aten = torch.ops.aten

# More than one, so that no operation takes the batch for an axis that repeats.
_ROWS = 2

ARRANGE = {
    aten.view, aten._unsafe_view, aten.reshape, aten.permute, aten.transpose, aten.t,
    aten.expand, aten.repeat, aten.slice, aten.select, aten.split, aten.split_with_sizes,
    aten.unbind, aten.unsqueeze, aten.squeeze, aten.cat, aten.stack, aten.flip, aten.roll,
    aten.diagonal, aten.slice_scatter, aten.select_scatter, aten.tril, aten.triu,
}  # fmt: skip
_LINEAR = {
    aten.add, aten.sub, aten.rsub, aten.neg, aten.clone, aten.alias, aten.detach,
    aten.lift_fresh_copy, aten.sum, aten.mean, OPERATION,
}  # fmt: skip
REDUCE = {
    aten.sum, aten.mean, aten.amax, aten.amin, aten.prod, aten.any, aten.all, aten.logsumexp,
}  # fmt: skip
# Where their elements go is not followed, but they are linear in every operand.
_SPREAD = {
    aten.index, aten.index_select, aten.gather, aten.constant_pad_nd, aten.cumsum,
    aten.convolution, aten.mv, aten.dot,
}  # fmt: skip
PRODUCT = {aten.mm, aten.bmm, aten.addmm, aten.baddbmm}
FRESH = {
    aten.zeros_like, aten.ones_like, aten.full_like, aten.empty_like, aten.new_zeros,
    aten.new_ones, aten.new_full, aten.new_empty,
}  # fmt: skip


class Degree(IntEnum):
    """What a value is as a function of the carry."""

    CONSTANT = 0
    AFFINE = 1
    NONLINEAR = 2


def shape_for(value: Any, rows: int) -> tuple[int, ...]:
    """A traced shape for a given number of rows; of what is no tensor, that of nothing."""
    if not isinstance(value, Tensor):
        return (0,)
    return tuple(count(n, rows) for n in value.shape)


def leaf_sizes(fission: Fission) -> list[int]:
    """Elements of every leaf of the carry in a row."""
    return [math.prod(shape_for(node.meta.get("val"), 1)) for node in fission.trace.carry]


def leaf_columns(fission: Fission) -> list[int]:
    """Columns of every leaf of the carry that is a matrix in a row, or has more axes; else 1."""
    shapes = [shape_for(node.meta.get("val"), 1) for node in fission.trace.carry]
    return [shape[-1] if len(shape) > 2 else 1 for shape in shapes]


def reach(fission: Fission) -> list[Tensor]:
    """The marks of every leaf of the new carry, (1 + 5·leaves, elements of a row).

    First stand the degrees, in the whole carry and in each leaf; then for each leaf
    size − first and last + 1 of the elements that may be reached, and the same of columns.
    """
    sizes, carry = leaf_sizes(fission), fission.trace.carry
    given = [_nothing(n, len(sizes)) for n in (*carry, *fission.inputs, *fission.constants)]
    for j, (marks, columns) in enumerate(zip(given, leaf_columns(fission), strict=False)):
        marks[[0, 1 + j]] = Degree.AFFINE
        own = torch.arange(sizes[j], dtype=torch.int32).expand(_ROWS, -1).reshape(marks[0].shape)
        places = [sizes[j] - own, own + 1, columns - own % columns, own % columns + 1]
        begin = 1 + len(sizes) + 4 * j
        marks[begin : begin + 4] = torch.stack(places)
    core = cast(nn.Module, stages(fission).core)
    results = _Marker(core).run(_ROWS, *given)[: len(sizes)]
    # All rows are alike: that rows do not mix is for the Jacobian to show.
    return [new.reshape(len(new), _ROWS, -1)[:, 0] for new in results]


def _nothing(node: fx.Node, leaves: int) -> Tensor:
    """Marks of a value that reaches nothing."""
    shape = shape_for(node.meta.get("val"), _ROWS)
    return torch.zeros(1 + 5 * leaves, *shape, dtype=torch.int32)


def _degrees(marks: Tensor) -> Tensor:
    return marks[: (len(marks) + 4) // 5]


class _Marker(fx.Interpreter):
    """Runs a graph on marks."""

    def run_node(self, n: fx.Node) -> Any:
        if n.op != "call_function" or n.target is operator.getitem:
            return super().run_node(n)
        if is_size(n):
            return count(n.meta["val"], _ROWS)
        args, kwargs = self.fetch_args_kwargs_from_env(n)
        marks = [each for each in pytree.tree_leaves((args, kwargs)) if isinstance(each, Tensor)]
        packet = getattr(n.target, "overloadpacket", None)
        if packet in FRESH:
            return _nothing(n, len(marks[0]) // 5)
        if packet in ARRANGE:
            return _arranged(n.target, args, kwargs)
        if packet in PRODUCT:
            return _product(*marks)
        if packet in REDUCE:
            return _raised(_reduced(n, *args), 1 if packet in _LINEAR else 2)
        if torch.Tag.pointwise in getattr(n.target, "tags", ()) or packet in _LINEAR:
            return _pointwise(n, args)
        if packet is aten._to_copy:
            whole = not (n.meta["val"].is_floating_point() or n.meta["val"].is_complex())
            return _raised(marks[0], 2 if whole else 1)
        spread = _everything(marks, packet in _SPREAD)
        return pytree.tree_map(lambda value: _filled(spread, value), n.meta["val"])


def _arranged(target: Any, args: Any, kwargs: Any) -> Any:
    """Elements that only move take their marks along."""
    count = next(len(each) for each in pytree.tree_leaves(args) if isinstance(each, Tensor))

    def channel(i: int) -> Any:
        return target(*pytree.tree_map_only(Tensor, lambda marks: marks[i], args), **kwargs)

    moved = [channel(i) for i in range(count)]
    return pytree.tree_map(lambda *parts: torch.stack(parts), *moved)


def _pointwise(node: fx.Node, args: Sequence[Any]) -> Tensor:
    """Marks of all operands together; the degree is that of the operation."""
    count = next(len(each) for each in args if isinstance(each, Tensor))
    numbers = torch.zeros(count, dtype=torch.int32)
    operands = _aligned([each if isinstance(each, Tensor) else numbers for each in args])
    together = _union(operands)
    first, *rest = map(_degrees, operands)
    packet = getattr(node.target, "overloadpacket", None)
    if packet in _LINEAR:
        return together
    if packet is aten.mul:
        degree = first + rest[0]
    elif node.target in (aten.div.Tensor, aten.div.Scalar):
        degree = first + 2 * rest[0]
    elif packet is aten.where:
        degree = 2 * first + torch.maximum(*rest)
    else:
        degree = 2 * _degrees(together)
    return _with_degrees(together, degree)


def _product(*operands: Tensor) -> Tensor:
    """A product of matrices, added to another value if there are three."""
    *added, a, b = operands
    a, b = a.amax(-1, keepdim=True), b.amax(-2, keepdim=True)
    product = _with_degrees(_union([a, b]), _degrees(a) + _degrees(b))
    return _union(_aligned([product, *added]))


def _reduced(node: fx.Node, marks: Tensor, axes: Any = None, *_: Any) -> Tensor:
    rank = marks.dim() - 1
    axes = [axes] if isinstance(axes, int) else axes or range(rank)
    together = marks.amax([1 + axis % rank for axis in axes], keepdim=True) if rank else marks
    return together.reshape(len(marks), *shape_for(node.meta["val"], _ROWS))


def _everything(operands: Sequence[Tensor], linear: bool) -> Tensor:
    """Marks of an element that may depend on all there is, (1 + 5·leaves,)."""
    overall = [each.reshape(len(each), -1).amax(1) for each in operands if each[0].numel()]
    together = _union(overall)
    if not linear:
        return _raised(together, 2)
    return _with_degrees(together, torch.stack([_degrees(each) for each in overall]).sum(0))


def _filled(marks: Tensor, value: Any) -> Tensor:
    axes = shape_for(value, _ROWS)
    return marks.reshape(-1, *(1 for _ in axes)).expand(-1, *axes)


def _aligned(operands: Sequence[Tensor]) -> list[Tensor]:
    """Operands of one rank, as broadcasting wants them; marks stand before the axes."""
    rank = max(each.dim() for each in operands)
    return [
        each.reshape(len(each), *(1,) * (rank - each.dim()), *each.shape[1:]) for each in operands
    ]


def _union(operands: Sequence[Tensor]) -> Tensor:
    together = operands[0]
    for each in operands[1:]:
        together = torch.maximum(together, each)
    return together


def _raised(marks: Tensor, factor: int) -> Tensor:
    return _with_degrees(marks, factor * _degrees(marks))


def _with_degrees(marks: Tensor, degree: Tensor) -> Tensor:
    degree = degree.expand(-1, *marks.shape[1:]).clamp(max=Degree.NONLINEAR)
    return torch.cat([degree, marks[len(degree) :]])
