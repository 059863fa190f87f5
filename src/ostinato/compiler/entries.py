"""Where constants enter a step, and what a small change there would do to the state.

A weight matrix enters in a product with a row's own operand, m = a W; any other vector enters by
itself. To differentiate by the constant it is enough to differentiate by a change δ of m, or of
the vector, that each row has for itself:

    m = a W + δ        ∂h/∂W = a ⊗ ∂h/∂δ

So the derivative of a state in a matrix is kept as a product, and which units a constant acts on
is a question about δ, that `structure` answers.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

import torch
from torch import Tensor, fx

from ostinato.compiler.fission import Fission, Kind, is_size
from ostinato.compiler.reach import shape_for
from ostinato.compiler.rows import TraceError

aten = torch.ops.aten
_RIGHT = {aten.mm.default: 1, aten.addmm.default: 2, aten.bmm.default: 1}
_ROWS = 2
_BY_ROW = (Kind.INPUT, Kind.CORE)


@dataclass(frozen=True)
class Entry:
    """One place where a constant enters.

    Attributes:
        constant: its number among `Fission.constants`.
        parts: how many matrices the constant is, side by side (products of a batch), or 1.
        inner: the size D of a row's operand; 1 where there is none.
        outer: the elements that the product of one part has; or all that the constant has.
        multiplies: whether the constant is a matrix in a product.
    """

    constant: int
    parts: int
    inner: int
    outer: int
    multiplies: bool

    @property
    def size(self) -> int:
        """The elements of δ in a row."""
        return self.parts * self.outer

    def gradient(self, found: Tensor, constant: Tensor) -> Tensor:
        """Found for δ and operand, (size, D), as the gradient of the constant."""
        if not self.multiplies:
            return found.view_as(constant)
        return found.view(self.parts, self.outer, self.inner).mT.reshape(constant.shape)


@dataclass(frozen=True)
class Entries:
    """A step as a function of the carry and of changes at its entries.

    Attributes:
        step: (carry…, x…, constants…, δ…) -> (new carry…, operands…); a δ is (B, size), an
            operand (B, parts, D).
        found: the entries, in the order of δ and operands.
        local: the same, but no gradient goes through the operands of products with constants:
            the new carry then depends on the old one only where it is read by itself.
    """

    step: fx.GraphModule
    found: tuple[Entry, ...]
    local: fx.GraphModule


def entries(fission: Fission) -> Entries:
    """Find where constants enter a step.

    Raises:
        TraceError: if one that a gradient is wanted of enters in another way, with its shape.
    """
    places = [
        place
        for number, node in enumerate(fission.constants)
        if trained(node, fission)
        for place in _places(node, number, fission)
    ]
    found = tuple(entry for _, entry in places)
    step, local = (_Rewrite(fission, places, cut).module() for cut in (False, True))
    return Entries(step, found, local)


_Place = tuple[fx.Node, Entry]
"""The product, or the vector itself, and the entry."""


def trained(node: fx.Node, fission: Fission) -> list[Tensor]:
    """The tensors a gradient is wanted of that a constant is computed from."""
    pending, found = [node], []
    while pending:
        each = pending.pop()
        pending.extend(each.all_input_nodes)
        value = fission.trace.constants.get(each.name)
        if value is not None and value.requires_grad:
            found.append(value)
    return found


def _places(node: fx.Node, number: int, fission: Fission) -> list[_Place]:
    """The products that a matrix enters, or the vector itself."""
    users = [user for user in node.users if fission.kinds.get(user) in _BY_ROW]
    shape = tuple(node.meta["val"].shape)
    if not users:
        return []
    if len(shape) in (2, 3) and all(_multiplies(user, node) for user in users):
        parts, inner, outer = (1, *shape)[-3:]
        return [(user, Entry(number, parts, inner, outer, True)) for user in users]
    if all(_by_element(user, node) for user in users):
        return [(node, Entry(number, 1, 1, math.prod(shape), False))]
    raise TraceError(
        f"a constant of shape {list(shape)} enters {', '.join(str(user.target) for user in users)};"
        " expected matrices as the right side of products with the rows, and other constants "
        "combined with a row element by element"
    )


def _multiplies(user: fx.Node, matrix: fx.Node) -> bool:
    """Whether the rows of the batch are multiplied by a matrix, from the right."""
    place = _RIGHT.get(user.target, -1)  # type: ignore[call-overload]
    if place < 0 or user.args[place] is not matrix or user.kwargs:
        return False
    return shape_for(user.meta["val"], _ROWS)[-2] == _ROWS


def _by_element(user: fx.Node, constant: fx.Node) -> bool:
    """Whether a constant is combined with the last axes of (B, ...), or added to a product."""
    if user.target is aten.addmm.default:
        return user.args[0] is constant and not user.kwargs
    value, axes = user.meta.get("val"), constant.meta["val"].dim()
    pointwise = torch.Tag.pointwise in getattr(user.target, "tags", ())
    return pointwise and isinstance(value, Tensor) and value.dim() > axes


class _Rewrite:
    """The whole step with its constants given, and δ added at the places."""

    def __init__(self, fission: Fission, places: list[_Place], cut: bool) -> None:
        self.fission, self.cut = fission, cut
        self.graph, self.env = fx.Graph(), dict[fx.Node, fx.Node]()
        for node in (*fission.trace.carry, *fission.trace.x, *fission.constants):
            self.env[node] = self.graph.placeholder(node.name)
        self.changes = {
            place: (entry, self.graph.placeholder(f"change_{i}"))
            for i, (place, entry) in enumerate(places)
        }
        self.operands = dict[fx.Node, fx.Node]()

    def module(self) -> fx.GraphModule:
        """(carry…, x…, constants…, δ…) -> (new carry…, operands…); no operand is None."""
        trace, kinds = self.fission.trace, self.fission.kinds
        for node in trace.nodes:
            by_row = node in kinds and (is_size(node) or kinds[node] in _BY_ROW)
            if node in self.env or not by_row:
                continue
            if node.target in _RIGHT:
                self.env[node] = self._product(node)
            else:
                self.env[node] = self.graph.node_copy(node, partial(self._of, user=node))
        new = [self.env[node] for node in trace.new_carry]
        self.graph.output((*new, *map(self.operands.get, self.changes)))
        return fx.GraphModule(trace.module, self.graph)

    def _of(self, node: fx.Node, user: fx.Node) -> fx.Node:
        """What stands for a node where `user` reads it: a constant with its change."""
        found = self.env[node]
        if node not in self.changes or self.changes[node][0].multiplies:
            return found
        shape, axes = node.meta["val"].shape, user.meta["val"].dim()
        rows = (-1, *(1,) * (axes - 1 - len(shape)), *shape)
        return self._sum(found, self._call(aten.reshape.default, self.changes[node][1], rows))

    def _product(self, node: fx.Node) -> fx.Node:
        """A product with its change; what is added to it stands apart, since that may have rows."""
        operands = cast(tuple[fx.Node, ...], node.args)
        *added, a, b = (self._of(each, node) for each in operands)
        target = node.target if node.target is aten.bmm.default else aten.mm.default
        product = self._call(target, a, b)
        if self.cut and self.fission.kinds[node] is Kind.CORE:
            product = self._call(aten.detach.default, product)
        if node in self.changes:
            entry, change = self.changes[node]
            product = self._sum(product, self._rows_inside(change, entry.outer, node))
            self.operands[node] = self._rows_first(a, entry, node)
        return self._sum(product, added[0]) if added else product

    def _rows_inside(self, change: fx.Node, outer: int, node: fx.Node) -> fx.Node:
        """δ (B, size) as the product lies."""
        if node.target is not aten.bmm.default:
            return change
        parts = self._call(aten.reshape.default, change, (-1, node.meta["val"].shape[0], outer))
        return self._call(aten.permute.default, parts, [1, 0, 2])

    def _rows_first(self, operand: fx.Node, entry: Entry, node: fx.Node) -> fx.Node:
        """An operand as (B, parts, D)."""
        if node.target is aten.bmm.default:
            return self._call(aten.permute.default, operand, [1, 0, 2])
        return self._call(aten.reshape.default, operand, (-1, 1, entry.inner))

    def _sum(self, a: fx.Node, b: fx.Node) -> fx.Node:
        return self._call(aten.add.Tensor, a, b)

    def _call(self, target: Any, *arguments: Any) -> fx.Node:
        return self.graph.call_function(target, arguments)
