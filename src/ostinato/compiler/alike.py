"""Whether a new matrix reads every column of an old one with the same coefficients.

The step is run on labels instead of numbers, with one leaf of the carry that varies. Where two
elements of a value bear one label, they are equal for all inputs and parameters: above 0 as
numbers, below 0 as linear forms of that leaf, apart from what is added to them, if a column is
exchanged for another. 0 is the number 0. So the elements of the leaf bear one label along its
columns, what is expanded keeps its label, and the same operation on the same labels gives the same
label; whatever is not known to be so gets labels of its own.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from functools import reduce
from typing import Any

import torch
from torch import Tensor, fx
from torch.utils import _pytree as pytree

from ostinato.compiler.fission import Fission, Kind, is_size
from ostinato.compiler.reach import ARRANGE, PRODUCT, leaf_columns, shape_for
from ostinato.compiler.rows import count
from ostinato.compiler.stages import VIEWS

aten = torch.ops.aten

_ROWS = 2
# Elements that are summed to one; of longer sums nothing is known.
_LONGEST = 1024
_ADD = {aten.add, aten.sub, aten.rsub}
_COPY = {aten.neg, aten.clone, aten.alias, aten.detach, aten.lift_fresh_copy, aten._to_copy}


def alike(fission: Fission) -> list[list[int]]:
    """By new and old leaf, the others held: how many columns have the same coefficients, or 1."""
    columns, new = leaf_columns(fission), fission.trace.new_carry
    found = [
        _Labels(fission, node, size).run(new) if size > 1 else None
        for node, size in zip(fission.trace.carry, columns, strict=True)
    ]
    return [
        [_same(labels[i], own) if labels is not None else 1 for labels in found]
        for i, own in enumerate(columns)
    ]


def _same(labels: Tensor, columns: int) -> int:
    # A number has no coefficients.
    lines = labels.reshape(-1, columns).clamp(max=0)
    return columns if bool((lines == lines[:, :1]).all()) else 1


class _Labels:
    """The labels of the values of a step.

    Args:
        fission: the split step.
        leaf: of its carry, which varies.
        columns: of the leaf.
    """

    def __init__(self, fission: Fission, leaf: fx.Node, columns: int) -> None:
        self.fission, self.leaf, self.columns, self.count = fission, leaf, columns, 0

    def run(self, wanted: Sequence[fx.Node]) -> list[Tensor]:
        """The labels of some values."""
        needed = self._needed(wanted)
        env: dict[fx.Node, Any] = {}
        for node in self.fission.trace.nodes:
            if node in needed:
                env[node] = self._value(node, env)
        return [env[node] for node in wanted]

    def _needed(self, wanted: Sequence[fx.Node]) -> set[fx.Node]:
        """What these are computed from, as far as it is followed."""
        found, pending = set[fx.Node](), list(wanted)
        while pending:
            node = pending.pop()
            if node not in found:
                found.add(node)
                pending += [] if self._opaque(node) else node.all_input_nodes
        return found

    def _opaque(self, node: fx.Node) -> bool:
        """Whether nothing is known of a value, and nothing has to be: it reads no carry."""
        if node.op != "call_function" or is_size(node):
            return True
        known = _packet(node) in ARRANGE | _COPY or node.target is operator.getitem
        return self.fission.kinds.get(node) is not Kind.CORE and not (known or _pointwise(node))

    def _value(self, node: fx.Node, env: dict[fx.Node, Any]) -> Any:
        if is_size(node):
            return count(node.meta["val"], _ROWS)
        if node is self.leaf:
            return self._varying(shape_for(node.meta["val"], _ROWS))
        if self._opaque(node):
            return self._unknown(node)
        args: Any = fx.map_arg(node.args, env.__getitem__)
        if _packet(node) in ARRANGE or node.target is operator.getitem:
            # Labels lie in memory otherwise than the values that they stand for.
            target: Any = aten.reshape.default if node.target in VIEWS else node.target
            return target(*args, **node.kwargs)
        return self._combined(node, args)

    def _varying(self, shape: tuple[int, ...]) -> Tensor:
        units = math.prod(shape) // self.columns
        own = self._new(torch.arange(units), units)
        return -own.repeat_interleave(self.columns).reshape(shape)

    def _combined(self, node: fx.Node, args: Sequence[Any]) -> Any:
        """An operation that computes."""
        packet, given = _packet(node), [each for each in args if isinstance(each, Tensor)]
        if packet in _ADD:
            return self._sum(*given)
        if packet is aten.sum:
            return self._over(node, *args)
        if packet in PRODUCT:
            return self._product(*given)
        forms = [each < 0 for each in given]
        if packet is aten.where and not forms[0].any():
            return self._sum(*given[1:], beside=given[0])
        return self._joined(given) if _keeps(node, forms) else self._unknown(node, _any(forms))

    def _sum(self, *terms: Tensor, beside: Tensor | None = None) -> Tensor:
        """A sum, or a choice by `beside`: of forms, numbers that are added do not count."""
        terms = torch.broadcast_tensors(*terms)  # type: ignore[no-untyped-call]
        form = _union([each < 0 for each in terms])
        kept = [torch.where(form & (each > 0), 0, each) for each in terms]
        return self._joined(kept if beside is None else [*kept, beside])

    def _over(self, node: fx.Node, x: Tensor, axes: Any = None, *_: Any) -> Tensor:
        """A sum over axes."""
        axes = [axes] if isinstance(axes, int) else axes or range(x.dim())
        gone = [axis % x.dim() for axis in axes]
        shape = shape_for(node.meta["val"], _ROWS)
        terms = x.movedim(gone, list(range(len(gone)))).flatten(0, len(gone) - 1)
        if len(terms) > _LONGEST:
            return self._fresh(shape, _any([x < 0]))
        return reduce(self._sum, terms.unbind()).reshape(shape)

    def _product(self, *operands: Tensor) -> Tensor:
        """A product of matrices, added to another value if there are three."""
        *added, a, b = operands
        forms = [each < 0 for each in (a, b)]
        product: Tensor
        if all(map(bool, map(torch.any, forms))) or a.shape[-1] > _LONGEST:
            product = self._fresh((*a.shape[:-1], b.shape[-1]), _any(forms))
        else:
            row, column = (reduce(self._pair, m.unbind(i)) for m, i in ((a, -1), (b, -2)))
            product = self._joined([row.unsqueeze(-1), column.unsqueeze(-2)])
        return self._sum(product, *added) if added else product

    def _pair(self, a: Tensor, b: Tensor) -> Tensor:
        return self._joined([a, b])

    def _joined(self, operands: Sequence[Tensor]) -> Tensor:
        """Equal labels where those of all operands are; below 0 where one of them is."""
        operands = torch.broadcast_tensors(*operands)  # type: ignore[no-untyped-call]
        key = torch.zeros_like(operands[0])
        for each in operands:
            # Two places in one number, which may not outgrow it however many operands there are.
            values, place = torch.unique(each, return_inverse=True)
            key = torch.unique(key * len(values) + place, return_inverse=True)[1]
        labels = self._new(key, int(key.max()) + 1 if key.numel() else 0)
        return torch.where(_union([each < 0 for each in operands]), -labels, labels)

    def _unknown(self, node: fx.Node, varies: bool = False) -> Any:
        """Labels of its own for every element of a value, or of several values."""
        return pytree.tree_map(
            lambda each: self._fresh(shape_for(each, _ROWS), varies), node.meta.get("val")
        )

    def _fresh(self, shape: tuple[int, ...], varies: bool) -> Tensor:
        total = math.prod(shape)
        labels = self._new(torch.arange(total), total).reshape(shape)
        return -labels if varies else labels

    def _new(self, places: Tensor, many: int) -> Tensor:
        self.count += many
        return places + 1 + self.count - many


def _keeps(node: fx.Node, forms: Sequence[Tensor]) -> bool:
    """Whether an operation, element by element, gives equal values for equal labels."""
    if _packet(node) in _COPY:
        return True
    if not _pointwise(node):
        return False
    if _packet(node) is aten.mul:
        return len(forms) == 1 or not _any([reduce(torch.logical_and, forms)])
    # The quotient of a form by a number is a form; nothing else is known of forms.
    quotient = node.target in (aten.div.Tensor, aten.div.Scalar)
    return not _any(forms[1:] if quotient else forms)


def _any(masks: Sequence[Tensor]) -> bool:
    return any(bool(each.any()) for each in masks)


def _union(masks: Sequence[Tensor]) -> Tensor:
    found: Tensor = reduce(torch.logical_or, masks)
    return found


def _packet(node: fx.Node) -> Any:
    return getattr(node.target, "overloadpacket", None)


def _pointwise(node: fx.Node) -> bool:
    return torch.Tag.pointwise in getattr(node.target, "tags", ())
